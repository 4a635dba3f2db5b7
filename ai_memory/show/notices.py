"""Tells, once at the end, how many rows an invocation put into quarantine, and names the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable
from ai_memory.reembed.inspect.quarantined import shortened
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Unfit
    from ai_memory.show.progress import Progress

NAMED_ROWS = 3


class QuarantineNotices:
    """Counts over one invocation."""

    def __init__(self, progress: Progress) -> None:
        """Say what is to be said by way of `progress`."""
        self._progress = progress
        self._count = 0
        self._first: list[str] = []

    def observe(self, rows: Sequence[Unfit]) -> None:
        """Count rows of a committed page that went into quarantine."""
        self._count += len(rows)
        self._first += map(_named, rows[: NAMED_ROWS - len(self._first)])

    def tell(self) -> None:
        """Say how many there were, if any."""
        if self._count:
            more = "; …" if self._count > len(self._first) else ""
            into = f"{counted(self._count, 'row')} went into quarantine"
            told = f"{into}: {'; '.join(self._first)}{more}. All of them: ai-memory reembed quarantine"
            self._progress.note(f"ai-memory: warning: {told}")


def _named(row: Unfit) -> str:
    titled = f" {shortened(row.title)}" if row.title and not row.title.isspace() else ""
    return f"{printable(row.id)}{titled} ({row.reason.kind}: {row.reason.message.rstrip('.')})"
