"""The seam at which requests wait for their place: how many may be in flight, and who hears how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from ai_memory.frozen import Frozen


class Limiter(Protocol):
    """Lets requests pass, one slot each; any thread may ask."""

    @property
    def most(self) -> int:
        """How many requests may ever be in flight."""

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""

    def slot(self, texts: Sequence[str] = ()) -> AbstractContextManager[float]:
        """Hold one of the places in the block, waiting for it as long as it takes; an error there is learned from.

        Yields for how many seconds the endpoint's rate, and not the others in flight, held it back.
        """

    def observe(self, limits: Sequence[Remaining]) -> None:
        """Record from inside a slot what its answer says is left of the endpoint's limits."""

    def doubt(self) -> None:
        """Record that an answer was broken, maybe by the requests beside it."""

    def rate_doubted(self) -> AbstractContextManager[None]:
        """Let this thread's requests in the block wait for nothing that refusals taught; if they pass, it is forgotten.

        An error in the block says that it was the rate.
        """


class Unlimited(Frozen):
    """Lets every request pass at once."""

    most: int

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self.most

    def slot(self, texts: Sequence[str] = ()) -> AbstractContextManager[float]:
        """Hold nothing."""
        del texts
        return nullcontext(0.0)

    def observe(self, limits: Sequence[Remaining]) -> None:
        """Let what an answer says of limits pass."""

    def doubt(self) -> None:
        """Let it pass: nothing here limits the requests side by side."""

    def rate_doubted(self) -> AbstractContextManager[None]:
        """Doubt nothing: nothing here waits."""
        return nullcontext()


REQUESTS = "requests"
TOKENS = "tokens"


class Remaining(Frozen):
    """What is left of a limit: so many of `kind` until it is renewed in `seconds`; `limit` is all of it, 0 unknown."""

    kind: str
    left: float
    limit: float
    seconds: float
