"""Whether the disk has the room to keep what a run replaces, before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import StorageFailed
from ai_memory.text.amounts import size

if TYPE_CHECKING:
    from ai_memory.stores.port import Database, Reader

FREE_SOME = (
    "Free some room; or drop what earlier runs left: ai-memory reembed prune; or keep nothing: "
    "ai-memory reembed --no-undo"
)


def require_room(database: Database, store: Reader, needed: int) -> None:
    """Check that the disk has so much room, what is free in the database counted.

    Raises:
        StorageFailed: it has not.
    """
    there = database.free_bytes() + store.targets.previous.free()
    if needed > there:
        raise StorageFailed(
            f"To keep what is replaced takes about {size(needed)}, and there are {size(there)}; nothing was changed.",
            tip=FREE_SOME,
        )
