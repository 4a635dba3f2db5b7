"""Takes the copy that `--backup FILE` asks for, and shows how it gets on."""

from __future__ import annotations

from pathlib import Path

from ai_memory.reembed.progress import Progress
from ai_memory.reembed.stop import Stop
from ai_memory.store.backup import copy_to
from ai_memory.store.connection import Database

MEGABYTE = 1_000_000


def back_up(db: Database, target: Path, stop: Stop, progress: Progress) -> None:
    """Copy the database to `target`; the connection heeds `stop`, too.

    Raises:
        Stopped: somebody asked to stop; there is no copy.
        UsageError, NotFinished, StorageFailed: see `copy_to`.
    """
    try:
        size = copy_to(db, target, told=Megabytes(stop, progress, f"copy to {target}").tell)
    finally:
        progress.end()
    progress.note(f"Copied to {target} ({size / MEGABYTE:,.1f} MB).")


class Megabytes:
    """Shows a copy of pages as progress in megabytes, and ends it when somebody asks for that."""

    def __init__(self, stop: Stop, progress: Progress, label: str) -> None:
        """Show it under that label once the first pages are copied."""
        self._stop, self._progress, self._label = stop, progress, label
        self._shown = -1

    def tell(self, done: int, total: int) -> None:
        """Hear that so many bytes of so many are copied; it may be less than before, where a copy began anew.

        Raises:
            Stopped: somebody asked to stop.
        """
        self._stop.heed()
        if self._shown < 0:
            self._progress.begin(total=total // MEGABYTE, label=self._label, unit="MB")
            self._shown = 0
        self._progress.advance(done // MEGABYTE - self._shown)
        self._shown = done // MEGABYTE
