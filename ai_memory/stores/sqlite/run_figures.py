"""Keeps, in the row of a run, what `status` shows without a census: rows as counted last, its beat, how a start ended.

The rows are moved by every commit (`runs.count`). Each function works for the runner of the run
alone: after one that was taken over nothing is changed.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.stores.computing import Computing, computing_of
from ai_memory.stores.own_row import object_of
from ai_memory.stores.sqlite import course
from ai_memory.stores.values import Counted, Measured, Run
from ai_memory.text.cleaning import MOST_WORDS, one_line

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Binding

BEAT = """
    UPDATE reembed_run SET last_progress_at = :now,
        last_error = CASE WHEN breaker_state = 'open' THEN coalesce(:failure, last_error) ELSE :failure END
    WHERE run_id = :run_id AND fence = :fence AND state = 'running'
"""
NOTE_CENSUS = """
    UPDATE reembed_run SET live = ?, remaining = ?, in_quarantine = ?, counted_at = ?, reads = ?, reads_left = ?
    WHERE run_id = ? AND fence = ?
"""
NOTE_END = """
    UPDATE reembed_run SET
        ended_alike = 1 + iif(ended_code = :code AND ended_reason = :reason, min(ended_alike, 1000000), 0),
        ended_at = :now, ended_code = :code, ended_reason = :reason
    WHERE run_id = :run_id AND fence = :fence
"""
RATES = """
    SELECT run_id, target, rows_per_hour FROM reembed_run
    WHERE typeof(target) = 'integer' AND typeof(rows_per_hour) = 'integer' AND rows_per_hour BETWEEN 1 AND 1000000000000
    ORDER BY target IS ? DESC, run_id DESC LIMIT 1
"""
COMPUTING = "SELECT CAST(detail_json AS BLOB) FROM reembed_event WHERE run_id = ? AND kind = 'computing' LIMIT 1"
NOTE_COMPUTING = "UPDATE reembed_event SET detail_json = ? WHERE run_id = ? AND kind = 'computing'"
BEGIN_COMPUTING = "INSERT INTO reembed_event (detail_json, run_id, at, kind) VALUES (?, ?, ?, 'computing')"


def beat(transaction: Transaction, run: Run, *, failure: str, now_ms: int) -> bool:
    """Note that the runner lives, and the `failure` that it is retrying (empty: none); False where the run is not ours.

    What the last invocation left of a failure stands until its breaker is closed.
    """
    told = one_line(failure, most=MOST_WORDS) if failure else None
    return bool(transaction.db.change(BEAT, {"now": now_ms, "failure": told, "run_id": run.run_id, "fence": run.fence}))


def note_census(transaction: Transaction, run: Run, counted: Counted) -> None:
    """Note what a census of the run's scope found."""
    rows, reads = (counted.live, counted.remaining, counted.in_quarantine), (counted.reads, counted.reads_left)
    transaction.db.execute(NOTE_CENSUS, (*rows, counted.at, *reads, run.run_id, run.fence))


def note_end(transaction: Transaction, run: Run, *, exit_code: int, reason: str, now_ms: int) -> None:
    """Note how an invocation ended, and how many in a row ended so."""
    bindings: dict[str, Binding] = {
        "code": exit_code,
        "reason": reason,
        "now": now_ms,
        "run_id": run.run_id,
        "fence": run.fence,
    }
    if transaction.db.change(NOTE_END, bindings):
        course.note_end(transaction, run, exit_code=exit_code, reason=reason, now_ms=now_ms)


def note_computing(transaction: Transaction, run: Run, computing: Computing, *, now_ms: int) -> None:
    """Note how a model on this machine computes for the run; one row of it is kept."""
    kept = json.dumps(asdict(computing))
    if not transaction.db.change(NOTE_COMPUTING, (kept, run.run_id)):
        transaction.db.execute(BEGIN_COMPUTING, (kept, run.run_id, now_ms))


def computing(store: Store, run_id: int) -> Computing | None:
    """Return how a model on this machine computed for the run last, None where nothing that can be read tells."""
    return computing_of(object_of(store.db.value(COMPUTING, (run_id,))))


def last_rate(store: Store, target: int | None) -> Measured | None:
    """Return the rate of the last run to a target, else of the last run that had one; None where none had."""
    rows = store.db.execute(RATES, (target,))
    return Measured(int(rows[0][0]), int(rows[0][1]), int(rows[0][2])) if rows else None
