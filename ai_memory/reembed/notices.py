"""Names the rows that go into quarantine, one line each, without flooding the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ai_memory.reembed.progress import Progress
from ai_memory.reembed.window import Answered
from ai_memory.store.quarantine import Reason
from ai_memory.store.text import printable

NAMED_ROWS = 20
"""Rows named one by one; of more it is only said that there are some."""


class QuarantineNotices:
    """Counts what it named over one invocation."""

    def __init__(self, progress: Progress) -> None:
        """Say what is to be said by way of `progress`."""
        self._progress = progress
        self._named = 0

    def name(self, answered: Answered) -> None:
        """Name every row of a committed page that went into quarantine."""
        for namespace, row_id, reason in _newly_quarantined(answered):
            self._named += 1
            where = f"{printable(row_id)} in {printable(namespace)}"
            if self._named <= NAMED_ROWS:
                self._warn(f"{where} is quarantined ({reason.kind}): {reason.message}")
            elif self._named == NAMED_ROWS + 1:
                self._warn("more rows are quarantined; see ai-memory reembed status")

    def _warn(self, text: str) -> None:
        self._progress.say(f"ai-memory: warning: {text}")


def _newly_quarantined(answered: Answered) -> Iterator[tuple[str, str, Reason]]:
    for unfit in answered.page.unfit:
        yield unfit.namespace, unfit.id, unfit.reason
    for each in answered.embedded:
        if isinstance(each.outcome, Reason):
            yield each.document.namespace, each.document.id, each.outcome
