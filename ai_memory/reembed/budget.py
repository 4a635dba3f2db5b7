"""What one invocation may still take up: rows and tokens, asked before each document."""

from __future__ import annotations

from collections.abc import Sequence

from ai_memory.embed.spending import Spending


class Budget:
    """Reserves what a document may cost from when it is taken up until its page is committed.

    A run so ends between two pages, before `spending` would have to refuse a request.
    `spent` names the limit that would be crossed, empty while there is none.
    """

    def __init__(self, spending: Spending, *, max_rows: int | None) -> None:
        """Begin with nothing taken up; None is no limit."""
        self.spent = ""
        self._spending, self._max_rows = spending, max_rows
        self._rows = self._reserved = 0
        self._taken: dict[str, int] = {}

    def take(self, text: str) -> bool:
        """Reserve a document; False where a limit would be crossed."""
        estimate = self._spending.estimate([text])
        self.spent = self._crossed(estimate)
        if self.spent:
            return False
        self._rows += 1
        if estimate:
            self._reserved += estimate
            self._taken[text] = estimate
        return True

    def settle(self, texts: Sequence[str]) -> None:
        """Hear that the requests of `texts` were answered: what they cost is spent."""
        self._reserved -= sum(self._taken.pop(text, 0) for text in texts)

    def _crossed(self, estimate: int) -> str:
        if self._max_rows is not None and self._rows >= self._max_rows:
            return "max-rows"
        limit = self._spending.limit
        return limit.flag if limit and not self._spending.allows(self._reserved + estimate) else ""
