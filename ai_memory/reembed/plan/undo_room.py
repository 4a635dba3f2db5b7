"""How much room it takes to keep what a run replaces, and whether the disk has it, before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import StorageFailed
from ai_memory.text.amounts import size

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.census import Census
    from ai_memory.stores.port import Database, Reader
    from ai_memory.stores.values import Run

FREE_SOME = (
    "Free some room; or drop what earlier runs left: ai-memory reembed prune; or keep nothing: "
    "ai-memory reembed --no-undo"
)


def undo_bytes(options: Options, run: Run | None, census: Census) -> int:
    """Return about how many bytes it takes to keep what a start replaces, 0 where it keeps nothing.

    `run` is the unfinished one.
    """
    return census.to_keep.on_disk if options.keeps(run) else 0


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
