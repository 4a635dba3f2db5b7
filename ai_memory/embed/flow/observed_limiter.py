"""Tells of the requests that pass a limiter: how many, how large, how long they took, and what held them back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from ai_memory.errors import EmbedError, RateLimited
from ai_memory.text.amounts import counted, size
from ai_memory.text.utf8 import utf8_size

if TYPE_CHECKING:
    from ai_memory.embed.flow.limiter import Limiter, Remaining

EVERY_S = 1.0
"""Requests that were answered are told in one line per second at most; every one that failed has its own."""
NOTICED_S = 0.05
"""A shorter wait for a place is none."""


class ObservedLimiter:
    """A limiter around another one."""

    def __init__(
        self, limiter: Limiter, tell: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Wrap `limiter`; `tell` is called from any thread, with one line."""
        self._limiter, self._tell, self._clock = limiter, tell, clock
        self._lock = Lock()
        self._told_at = self._since = float("-inf")
        self._requests = self._texts = self._bytes = 0
        self._seconds = self._waited = 0.0

    @property
    def most(self) -> int:
        """How many requests may ever be in flight."""
        return self._limiter.most

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self._limiter.limit

    @contextmanager
    def slot(self, texts: Sequence[str] = ()) -> Iterator[float]:
        """Hold a place of the inner one, and tell how the request in the block ended.

        Raises:
            EmbedError: what the block raised, or the inner limiter's own.
        """
        asked = entered = self._clock()
        try:
            with self._limiter.slot(texts) as paced:
                entered = self._clock()
                yield paced
        except EmbedError as error:
            self._failed(texts, error, self._clock() - asked)
            raise
        self._answered(texts, entered=entered, waited=entered - asked)

    def observe(self, limits: Sequence[Remaining]) -> None:
        """Hand on what an answer says of limits, and tell what is used up."""
        for each in limits:
            if each.left < 1:
                self._tell(f"The endpoint says that no {each.kind} are left for {each.seconds:.0f} s.")
        self._limiter.observe(limits)

    def doubt(self) -> None:
        """Hand on that an answer was broken, and tell what comes of it."""
        before = self._limiter.limit
        self._limiter.doubt()
        if self._limiter.limit < before:
            self._tell(f"An answer was broken: up to {self._limiter.limit} requests side by side instead of {before}.")

    @contextmanager
    def rate_doubted(self) -> Iterator[None]:
        """Let what refusals taught not hold in the block, and tell where it is forgotten.

        Raises:
            EmbedError: what the block raised.
        """
        with self._limiter.rate_doubted():
            yield
        self._tell("A harmless text passed at once: the refusal was not about the rate.")

    def _failed(self, texts: Sequence[str], error: EmbedError, seconds: float) -> None:
        pause = (
            f" The next request waits {error.pause:.1f} s." if isinstance(error, RateLimited) and error.pause else ""
        )
        what = f"Request of {counted(len(texts), 'text')} ({_bytes(texts)}) failed after {seconds:.2f} s"
        self._tell(f"{what}: {error.what}{pause}")

    def _answered(self, texts: Sequence[str], *, entered: float, waited: float) -> None:
        with self._lock:
            now = self._clock()
            self._since = min(self._since, entered) if self._requests else entered
            self._requests += 1
            self._texts += len(texts)
            self._bytes += sum(map(utf8_size, texts))
            self._seconds += now - entered
            self._waited += waited
            if now - self._told_at < EVERY_S:
                return
            line, self._told_at = self._line(now - self._since), now
            self._requests = self._texts = self._bytes = 0
            self._seconds = self._waited = 0.0
        self._tell(line)

    def _line(self, took: float) -> str:
        each, waited = self._seconds / self._requests, self._waited / self._requests
        held = f" after waiting {waited:.2f} s for a place" if waited >= NOTICED_S else ""
        sent = f"{counted(self._requests, 'request')} of {counted(self._texts, 'text')} ({size(self._bytes)})"
        rate = f"; {self._texts / took:,.1f} texts/s" if took > 0 else ""
        return f"{sent} in {took:.2f} s: {each:.2f} s each{held}{rate}; up to {self.limit} side by side."


def _bytes(texts: Sequence[str]) -> str:
    return size(sum(map(utf8_size, texts)))
