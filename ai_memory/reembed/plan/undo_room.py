"""How much room a run takes on the disk, to keep what it replaces and beside that, and whether it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.errors import StorageFailed
from ai_memory.stores.values import Room
from ai_memory.text.amounts import size
from ai_memory.text.hints import REEMBED

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.census import Census
    from ai_memory.stores.port import Database, Reader
    from ai_memory.stores.values import Run

HEADER = 1
"""Bytes before the numbers of a stored vector."""


def undo_bytes(options: Options, run: Run | None, census: Census) -> int:
    """Return about how many bytes it takes to keep what a start replaces, 0 where it keeps nothing.

    `run` is the unfinished one.
    """
    return census.to_keep.on_disk if options.keeps(run) else 0


@dataclass(frozen=True, slots=True)
class _Needs:
    """Bytes: to keep what is replaced, for vectors that are longer or had no place, for the log at most."""

    undo: int
    longer: int
    log: int
    free_inside: int

    @property
    def in_all(self) -> int:
        """On the disk: what is free in the database is used first, but not for the log."""
        return max(self.undo + self.longer - self.free_inside, 0) + self.log

    def words(self) -> str:
        parts = (
            (self.undo, "to keep what is replaced"),
            (self.longer, "for longer vectors"),
            (self.log, "for its log"),
        )
        return ", ".join(f"{size(each)} {what}" for each, what in parts if each)


def require_room(
    database: Database, store: Reader, options: Options, run: Run | None, census: Census, *, dim: int
) -> None:
    """Check that the disk has the room that a start takes; vectors are `dim` wide (0: not known).

    Raises:
        StorageFailed: it has not.
    """
    if not census.to_embed:
        return
    there, keeps = database.free_bytes(), options.keeps(run)
    needed = _needs(store, options, census, keeps=keeps, dim=dim)
    if needed.in_all <= there:
        return
    raise StorageFailed(
        f"The run takes about {size(needed.in_all)} of the disk at most ({needed.words()}), "
        f"and there are {size(there)}; nothing was changed.",
        tip=_tip(store, run, without=keeps and _needs(store, options, census, keeps=False, dim=dim).in_all <= there),
    )


def _needs(store: Reader, options: Options, census: Census, *, keeps: bool, dim: int) -> _Needs:
    rows, stood = census.to_embed, census.bytes_to_keep
    come = rows * (4 * dim + HEADER) if dim else stood
    longer = Room(rows, come - stood).on_disk if come > stood else 0
    kept = stood if keeps else 0
    log = store.targets.previous.log_room(rows, at_once=options.batch, row_bytes=(come + kept) // rows)
    return _Needs(census.to_keep.on_disk if keeps else 0, longer, log, store.targets.previous.free())


def _tip(store: Reader, run: Run | None, *, without: bool) -> str:
    """Return what to do; `without` keeping anything there is room enough."""
    # What the unfinished run has kept stays.
    if any(run is None or run_id != run.run_id for run_id, _ in store.targets.previous.kept()):
        return f"Free some room, or drop what earlier runs left: {REEMBED} prune"
    if without and run is None:
        return f"Free some room, or keep nothing: {REEMBED} --no-undo"
    return "Free some room, then run the same command again."
