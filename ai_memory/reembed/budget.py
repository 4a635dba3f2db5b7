"""What one invocation may still send: rows and tokens, asked before each document is taken up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ai_memory.embed.embedder import Meter

FIRST_RATIO = 0.5
"""Tokens a byte until the endpoint has reported some: twice what English text has, so that no limit is crossed."""
MARGIN = 1.2
"""How much denser than the texts so far the next ones may be."""


class Budget:
    """Reserves what a document will cost; `settle` replaces the estimate by what was reported.

    `spent` names the limit that would be crossed, empty while there is none. Where the endpoint
    reports no tokens the estimates count as spent.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        max_rows: int | None,
        max_tokens: int | None,
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        """Begin with nothing spent; None is no limit, `count_tokens` the target's own tokenizer where it is at hand."""
        self.spent = ""
        self._max_rows, self._max_tokens = max_rows, max_tokens
        self._meter, self._count_tokens = meter, count_tokens
        self._rows = 0
        self._reserved = 0
        self._settled_tokens = 0
        self._settled_bytes = 0

    def take(self, text: str) -> bool:
        """Reserve a document; False where a limit would be crossed."""
        estimate = self._estimate(text) if self._max_tokens is not None else 0
        self.spent = self._crossed(estimate)
        if self.spent:
            return False
        self._rows += 1
        self._reserved += estimate
        return True

    def settle(self, texts: Sequence[str]) -> None:
        """Hear that the requests of `texts` were answered."""
        if self._max_tokens is not None:
            estimates = sum(map(self._estimate, texts))
            self._reserved = max(self._reserved - estimates, 0)
            self._settled_tokens += estimates
            self._settled_bytes += sum(len(text.encode()) for text in texts)

    def _crossed(self, estimate: int) -> str:
        if self._max_rows is not None and self._rows >= self._max_rows:
            return "max-rows"
        if self._max_tokens is not None and self._used() + estimate > self._max_tokens:
            return "max-tokens"
        return ""

    def _used(self) -> int:
        return (self._meter.tokens or self._settled_tokens) + self._reserved

    def _estimate(self, text: str) -> int:
        if self._count_tokens:
            return self._count_tokens(text)
        ratio = MARGIN * self._meter.tokens / self._settled_bytes if self._settled_bytes else FIRST_RATIO
        return int(len(text.encode()) * (ratio or FIRST_RATIO)) + 1
