"""Whether the disk has the room that a run takes to keep what it replaces, or for vectors beside those there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import StorageFailed
from ai_memory.text.amounts import size

if TYPE_CHECKING:
    from ai_memory.stores.port import Database, Reader

UNDO = "To keep what is replaced"
BESIDE = "To have vectors beside those that are there, and to keep those once they are replaced,"
FREE_SOME = (
    "Free some room; or drop what earlier runs left: ai-memory reembed prune; or keep nothing: "
    "ai-memory reembed --no-undo"
)


def require_room(database: Database, store: Reader, undo: int, staged: int = 0) -> None:
    """Check that the disk has so much room, what is free in the database counted.

    Raises:
        StorageFailed: it has not.
    """
    there = database.free_bytes() + store.targets.previous.free()
    if undo + staged > there:
        what = BESIDE if staged else UNDO
        raise StorageFailed(
            f"{what} takes about {size(undo + staged)}, and there are {size(there)}; nothing was changed.",
            tip=FREE_SOME,
        )
