"""Reads how the recorded run stands: from its own row, its lock and the configuration; the rows only where asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.reembed.breaker import believed_until
from ai_memory.reembed.inspect.condition import condition, work_on
from ai_memory.reembed.inspect.status import Status
from ai_memory.reembed.plan.census import NOBODY, Census, Listener, take_census
from ai_memory.reembed.plan.outlook import NO_OUTLOOK, Outlook, outlook
from ai_memory.reembed.plan.wanted import UNKNOWN, Wanted
from ai_memory.reembed.recorded import recorded_run
from ai_memory.reembed.sweep.ending import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.stores.port import Database, Reader
    from ai_memory.stores.values import Room, Run, Span
    from ai_memory.vectors.target import Fingerprint


def read_status(
    database: Database,
    store: Reader,
    *,
    now_ms: int,
    wanted: Wanted = UNKNOWN,
    exact: bool = False,
    listener: Listener = NOBODY,
) -> Status | None:
    """Return the status of the run begun last, None where none ever was.

    `exact` has the rows counted anew, of which the `listener` hears; where the run has no counters, as in a file of an
    earlier release, or rows were made stale after it was done, they are counted in any case.
    """
    run = recorded_run(store)
    if run is None:
        return None
    target, lock, pause = store.targets.read(run.target), database.lock(), store.operator.pause(now_ms=now_ms)
    work = work_on(run, lock)
    # Against the target of the runs that it undoes, the rows say nothing of a rollback.
    exact = exact and run.undoes is None
    counts = exact or _must_count(run)
    census = take_census(store, target, run.scope, now_ms=now_ms, listener=listener) if counts else None
    outside = _stale_outside(store, target, run, now_ms=now_ms) if exact else None
    left, kept = _is_left(run, census, outside), store.targets.previous.kept()
    way_back, beside = _way_back(store, kept), store.targets.staged.exchange()
    return Status(
        run=run,
        target=target,
        condition=condition(run, work, pause, now_ms=now_ms),
        work=work,
        now_ms=now_ms,
        replaced=store.runs.course(run).replaced(),
        counted=census.counted() if census else run.counted,
        breaker_until=believed_until(run, now_ms=now_ms),
        free_bytes=database.free_bytes(),
        # A rollback needs no embedder: it goes on whatever is configured.
        wanted=UNKNOWN if run.undoes else wanted,
        pause=pause,
        name=store.name,
        exchanging=beside is not None and beside.is_filled_by(run.run_id),
        outlook=_ahead(store, run, wanted, left=left, now_ms=now_ms) if run.finished_at else NO_OUTLOOK,
        census=census,
        outside=outside,
        kept_rows=sum(room.rows for _, room in kept),
        kept_bytes=sum(room.on_disk for _, room in kept),
        way_back=way_back,
        rows_back=sum(room.rows for run_id, room in kept if way_back and run_id in way_back.numbers),
    )


def _way_back(store: Reader, kept: Sequence[tuple[int, Room]]) -> Span | None:
    """Return the runs that a rollback would undo; of these runs something is `kept`, and nothing is lost."""
    undoes = store.targets.previous.to_undo()
    if undoes is None or store.runs.read(undoes.last).undone_by is not None or store.targets.previous.lost(undoes):
        return None
    return undoes if any(run_id in undoes.numbers for run_id, _ in kept) else None


def _ahead(store: Reader, run: Run, wanted: Wanted, *, left: bool, now_ms: int) -> Outlook:
    found = outlook(store, run.run_id, wanted, now_ms=now_ms)
    return replace(found, complete=False, stale=True) if left else found


def _must_count(run: Run) -> bool:
    """Return whether the counters of a run do not tell what is stale."""
    return run.undoes is None and (run.counted is None or (run.state == "done" and run.counted.remaining > 0))


def _is_left(run: Run, census: Census | None, outside: int | None) -> bool:
    """Return whether rows are known to be stale after a done run: by a census, or as its last start found."""
    if run.state != "done" or run.undoes:
        return False
    if census:
        return bool(census.stale or outside)
    return run.last_end is not None and run.last_end.reason == OUTSIDE


def _stale_outside(store: Reader, target: Fingerprint, run: Run, *, now_ms: int) -> int:
    if run.scope is None:
        return 0
    return take_census(store, target, None, now_ms=now_ms).stale_outside(run.scope)
