"""Takes the copy that `--backup FILE` asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.reembed.events import CopyEnded, Copying, Observer

if TYPE_CHECKING:
    from ai_memory.reembed.stop import Stop
    from ai_memory.stores.port import Database


def back_up(database: Database, target: Path, stop: Stop, observe: Observer) -> None:
    """Copy the database to `target`; the database heeds `stop`, too.

    Raises:
        Stopped: somebody asked to stop; there is no copy.
        UsageError, NotFinished, StorageFailed: see `Database.back_up`.
    """
    size = 0
    try:
        size = database.back_up(target, told=CopiedPages(stop, observe, f"copy to {target}").tell)
    finally:
        observe(CopyEnded(target, size))


class CopiedPages(Frozen):
    """Tells of a copy of pages under a name, and ends it when somebody asks for that."""

    stop: Stop
    observe: Observer
    what: str

    def tell(self, done: int, total: int) -> None:
        """Record that so many bytes of so many are copied; it may be less than before, where a copy began anew.

        Raises:
            Stopped: somebody asked to stop.
        """
        self.stop.heed()
        self.observe(Copying(self.what, done, total))
