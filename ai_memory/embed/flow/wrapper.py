"""What an embedder around another embedder has in common with it: all that it does not change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.embed.port import Embedder
    from ai_memory.embed.usage import Meter
    from ai_memory.vectors.target import Target


class Wrapper:
    """The part of an embedder that is the inner one's."""

    def __init__(self, inner: Embedder) -> None:
        """Wrap `inner`."""
        self._inner = inner

    @property
    def target(self) -> Target:
        """What is known of the target."""
        return self._inner.target

    @property
    def max_batch(self) -> int:
        """The most texts one call may carry."""
        return self._inner.max_batch

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one call may carry."""
        return self._inner.fitting(texts)

    @property
    def concurrency(self) -> int:
        """How many calls may usefully run at once."""
        return self._inner.concurrency

    def close(self) -> None:
        """Let go of connections and models."""
        self._inner.close()

    @property
    def meter(self) -> Meter:
        """What was spent, by whoever wraps it too."""
        return self._inner.meter
