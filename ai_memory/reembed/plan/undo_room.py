"""How much room a run takes to keep what it replaces or to have vectors beside, and whether the disk has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import StorageFailed
from ai_memory.stores.values import Room
from ai_memory.text.amounts import size

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.census import Census
    from ai_memory.stores.port import Database, Reader
    from ai_memory.stores.values import Run

UNDO = "To keep what is replaced"
BESIDE = "To have vectors beside those that are there, and to keep those once they are replaced,"
FREE_SOME = (
    "Free some room; or drop what earlier runs left: ai-memory reembed prune; or keep nothing: "
    "ai-memory reembed --no-undo"
)


def undo_bytes(options: Options, run: Run | None, census: Census) -> int:
    """Return about how many bytes it takes to keep what a start replaces, 0 where it keeps nothing.

    `run` is the unfinished one.
    """
    return census.to_keep.on_disk if options.keeps(run) else 0


def staged_bytes(options: Options, run: Run | None, census: Census, *, dim: int) -> int:
    """Return about how many bytes the vectors of a start take beside the memories, 0 where they go into them.

    `run` is the unfinished one, `dim` the width of the vectors; 0, not known yet: as wide as those that are there.
    """
    rows, each = census.to_embed, 4 * dim + 1 if dim else census.bytes_to_keep // max(census.to_replace, 1)
    return Room(rows, rows * each).on_disk if options.stages(run) else 0


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
