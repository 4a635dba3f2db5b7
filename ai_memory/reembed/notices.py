"""Tells, once at the end, how many rows an invocation put into quarantine, and names the first of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ai_memory.amounts import counted
from ai_memory.reembed.aside import shortened
from ai_memory.reembed.judge import Unfit
from ai_memory.reembed.outcomes import Refused
from ai_memory.reembed.progress import Progress
from ai_memory.reembed.window import Answered
from ai_memory.store.quarantine import Reason
from ai_memory.store.text import printable

NAMED_ROWS = 3


class QuarantineNotices:
    """Counts over one invocation."""

    def __init__(self, progress: Progress) -> None:
        """Say what is to be said by way of `progress`."""
        self._progress = progress
        self._count = 0
        self._first: list[str] = []

    def hear(self, answered: Answered) -> None:
        """Count the rows of a committed page that went into quarantine."""
        named = [*(_unfit(each) for each in answered.page.unfit), *_refused(answered)]
        self._count += len(named)
        self._first += islice(named, NAMED_ROWS - len(self._first))

    def tell(self) -> None:
        """Say how many there were, if any."""
        if self._count:
            more = "; …" if self._count > len(self._first) else ""
            into = f"{counted(self._count, 'row')} went into quarantine"
            told = f"{into}: {'; '.join(self._first)}{more}. All of them: ai-memory reembed quarantine"
            self._progress.note(f"ai-memory: warning: {told}")


def _unfit(row: Unfit) -> str:
    return _named(row.id, row.title, row.reason)


def _refused(answered: Answered) -> Iterator[str]:
    for each in answered.outcomes:
        if isinstance(each, Refused):
            yield _named(each.document.id, each.document.title, each.reason)


def _named(row_id: str, title: str | None, reason: Reason) -> str:
    titled = f" {shortened(title)}" if title and not title.isspace() else ""
    return f"{printable(row_id)}{titled} ({reason.kind}: {reason.message.rstrip('.')})"
