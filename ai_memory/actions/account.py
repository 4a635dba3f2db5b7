"""Gives account of the recorded run: reads all that a report tells, and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.actions.lengths import measure_lengths
from ai_memory.actions.sample_neighbours import sample_neighbours
from ai_memory.errors import NotFound
from ai_memory.reembed.inspect.account import Account
from ai_memory.reembed.inspect.pace import pace
from ai_memory.reembed.inspect.quarantined import quarantined_rows
from ai_memory.reembed.inspect.read_status import read_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.actions.lengths import Reading
    from ai_memory.reembed.inspect.status import Status
    from ai_memory.reembed.plan.wanted import Wanted
    from ai_memory.stores.port import Database, Reader


def give_account(
    database: Database, store: Reader, wanted: Wanted, reading: Callable[[Status], Reading], *, now_ms: int
) -> Account:
    """Return the account of the run begun last; reads the whole file.

    Raises:
        NotFound: no run was ever begun.
    """
    status = read_status(database, store, now_ms=now_ms, wanted=wanted, exact=True)
    if status is None:
        raise NotFound(
            f"no run has been started in {database.name}: there is nothing to report.",
            tip="Begin one: ai-memory reembed",
        )
    run = status.run
    neighbours, why = sample_neighbours(store, run, status.target)
    return Account(
        database.name,
        status,
        pace(store.runs.course(run).moments(), run, at_work=status.work.going_on, now_ms=now_ms),
        tuple(quarantined_rows(store)),
        measure_lengths(store, run.scope, reading(status)),
        neighbours,
        why,
    )
