"""Gives account of the recorded run: reads all that a report tells, and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.actions.lengths import LengthsOfTexts, Reading
from ai_memory.actions.sample_neighbours import sample_neighbours
from ai_memory.errors import NotFound
from ai_memory.reembed.inspect.account import Account
from ai_memory.reembed.inspect.pace import pace
from ai_memory.reembed.inspect.quarantined import quarantined_rows
from ai_memory.reembed.inspect.read_status import read_status
from ai_memory.reembed.plan.census import Listener
from ai_memory.reembed.recorded import recorded_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.reembed.plan.wanted import Wanted
    from ai_memory.stores.port import Database, Reader
    from ai_memory.vectors.target import Fingerprint


def give_account(
    database: Database, store: Reader, wanted: Wanted, reading: Callable[[Fingerprint], Reading], *, now_ms: int
) -> Account:
    """Return the account of the run begun last; reads the whole file. `reading` tells how a target's model reads.

    Raises:
        NotFound: no run was ever begun.
    """
    recorded = recorded_run(store)
    lengths = LengthsOfTexts(reading(store.targets.read(recorded.target)) if recorded else Reading())
    listener = Listener(began=lengths.begin, live=lengths.add)
    status = read_status(database, store, now_ms=now_ms, wanted=wanted, exact=True, listener=listener)
    if status is None:
        raise NotFound(
            f"no run has been started in {database.name}: there is nothing to report.",
            tip="Begin one: ai-memory reembed",
        )
    run = status.run
    if not status.census:
        # The rows of a rollback are not counted against a target.
        lengths.add_all(store, run.scope)
    neighbours, why = sample_neighbours(store, run, status.target)
    return Account(
        database.name,
        status,
        pace(store.runs.course(run).moments(), run, at_work=status.work.going_on, now_ms=now_ms),
        tuple(quarantined_rows(store)),
        lengths.found(),
        neighbours,
        why,
    )
