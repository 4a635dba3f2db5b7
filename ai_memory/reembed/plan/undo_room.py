"""How much room a run takes on the disk, for vectors, to keep what it replaces, for its log; whether it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import StorageFailed
from ai_memory.frozen import Frozen
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


def staged_bytes(options: Options, run: Run | None, census: Census, *, dim: int) -> int:
    """Return about how many bytes the vectors of a start take beside the memories, 0 where they go into them.

    `run` is the unfinished one, `dim` the width of the vectors; 0, not known yet: as wide as those that are there.
    """
    rows, each = census.to_embed, 4 * dim + HEADER if dim else census.bytes_to_keep // max(census.to_replace, 1)
    return Room(rows, rows * each).on_disk if options.stages(run) else 0


class _Needs(Frozen):
    """Bytes: to keep what is replaced, for vectors beside, for those longer or in no place yet, for the log at most."""

    undo: int
    beside: int
    longer: int
    log: int
    free_inside: int

    @property
    def in_all(self) -> int:
        """On the disk: what is free in the database is used first, but not for the log."""
        return max(self.undo + self.beside + self.longer - self.free_inside, 0) + self.log

    def words(self) -> str:
        parts = (
            (self.undo, "to keep what is replaced"),
            (self.beside, "for vectors beside those that are there"),
            (self.longer, "for longer vectors"),
            (self.log, "for its log"),
        )
        return ", ".join(f"{size(each)} {what}" for each, what in parts if each)


def require_room(
    database: Database,
    store: Reader,
    options: Options,
    run: Run | None,
    census: Census,
    *,
    dim: int,
    so: str = "nothing was changed",
) -> None:
    """Check that the disk has the room that a start takes; vectors are `dim` wide (0: not known), `so` is what follows.

    Raises:
        StorageFailed: it has not.
    """
    if not census.to_embed:
        return
    there, keeps = database.free_bytes(), options.keeps(run)
    beside = staged_bytes(options, run, census, dim=dim)
    needed = _needs(store, options, census, keeps=keeps, beside=beside, dim=dim)
    if there is None or needed.in_all <= there:
        return
    without = keeps and _needs(store, options, census, keeps=False, beside=beside, dim=dim).in_all <= there
    raise StorageFailed(
        f"The run takes about {size(needed.in_all)} of the disk at most ({needed.words()}), "
        f"and there are {size(there)}; {so}.",
        tip=_tip(store, run, without=without),
    )


def has_plenty(database: Database, store: Reader, options: Options, run: Run, rows: int, *, dim: int) -> bool:
    """Return whether the disk has twice the room that a run takes for so many `rows` more, without counting them."""
    come = 4 * dim + HEADER
    stood = max(run.kept.bytes // max(run.kept.rows, 1), come)
    vectors = Room(rows, rows * stood).on_disk * (2 if options.keeps(run) else 1)
    log = store.targets.previous.log_room(rows, at_once=options.batch, row_bytes=come + stood)
    there = database.free_bytes()
    return there is None or there >= 2 * (vectors + log)


def _needs(store: Reader, options: Options, census: Census, *, keeps: bool, beside: int, dim: int) -> _Needs:
    rows, stood = census.to_embed, census.bytes_to_keep
    come = rows * (4 * dim + HEADER) if dim else stood
    # What stood beside gives its room to what is moved into the memories.
    longer = Room(rows, come - stood).on_disk if come > stood and not beside else 0
    kept = stood if keeps else 0
    log = store.targets.previous.log_room(rows, at_once=options.batch, row_bytes=(come + kept) // rows)
    return _Needs(census.to_keep.on_disk if keeps else 0, beside, longer, log, store.targets.previous.free())


def _tip(store: Reader, run: Run | None, *, without: bool) -> str:
    """Return what to do; `without` keeping anything there is room enough."""
    # What the unfinished run has kept stays.
    if any(run is None or run_id != run.run_id for run_id, _ in store.targets.previous.kept()):
        return f"Free some room, or drop what earlier runs left: {REEMBED} prune"
    if without and run is None:
        return f"Free some room, or keep nothing: {REEMBED} --no-undo"
    return "Free some room, then run the same command again."
