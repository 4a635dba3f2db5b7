"""Keeps what a run wrote since rows from all over it agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.values import Run

BEGIN_NEXT = "UPDATE reembed_run SET stretch = stretch + 1 WHERE run_id = ? AND fence = ?"
WRITTEN = """
    SELECT CAST(memory_id AS BLOB) FROM embedding_provenance
    WHERE fingerprint_id = ? AND stretch = ? AND origin = 'reembed' ORDER BY memory_id
"""


def begin_next(transaction: Transaction, run: Run) -> None:
    """Begin the next stretch of a run; what was written until now is believed."""
    transaction.db.execute(BEGIN_NEXT, (run.run_id, run.fence))


def written_in(store: Store, target: int, stretch: int) -> list[str]:
    """Return the ids of the rows whose vectors are recorded as a target's and were written in a stretch."""
    found = (store.codec.text(row[0]) for row in store.db.execute(WRITTEN, (target, stretch)))
    return [each for each in found if each is not None]
