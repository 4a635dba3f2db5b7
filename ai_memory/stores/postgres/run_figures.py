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
from ai_memory.stores.postgres import course
from ai_memory.stores.values import Counted, Measured, Run
from ai_memory.text.cleaning import MOST_WORDS, one_line

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction

BEAT = """
    UPDATE reembed_run SET last_progress_at = %(now)s,
        last_error = CASE WHEN breaker_state = 'open' THEN coalesce(%(failure)s, last_error) ELSE %(failure)s END
    WHERE run_id = %(run_id)s AND fence = %(fence)s AND state = 'running'
"""
NOTE_CENSUS = """
    UPDATE reembed_run SET live = %(live)s, remaining = %(remaining)s, in_quarantine = %(in_quarantine)s,
        counted_at = %(at)s, reads = %(reads)s, reads_left = %(reads_left)s
    WHERE run_id = %(run_id)s AND fence = %(fence)s
"""
NOTE_END = """
    UPDATE reembed_run SET
        ended_alike = 1 + CASE WHEN ended_code = %(code)s AND ended_reason = %(reason)s
            THEN least(ended_alike, 1000000) ELSE 0 END,
        ended_at = %(now)s, ended_code = %(code)s, ended_reason = %(reason)s
    WHERE run_id = %(run_id)s AND fence = %(fence)s
"""
RATES = """
    SELECT run_id, target, rows_per_hour FROM reembed_run WHERE rows_per_hour BETWEEN 1 AND 1000000000000
    ORDER BY target IS NOT DISTINCT FROM %(target)s::bigint DESC, run_id DESC LIMIT 1
"""
COMPUTING = "SELECT detail_json FROM reembed_event WHERE run_id = %(run_id)s AND kind = 'computing' LIMIT 1"
NOTE_COMPUTING = "UPDATE reembed_event SET detail_json = %(kept)s WHERE run_id = %(run_id)s AND kind = 'computing'"
BEGIN_COMPUTING = """
    INSERT INTO reembed_event (detail_json, run_id, at, kind) VALUES (%(kept)s, %(run_id)s, %(now)s, 'computing')
"""


def beat(transaction: Transaction, run: Run, *, failure: str, now_ms: int) -> bool:
    """Note that the runner lives, and the `failure` that it is retrying (empty: none); False where the run is not ours.

    What the last invocation left of a failure stands until its breaker is closed.
    """
    told = one_line(failure, most=MOST_WORDS) if failure else None
    bindings = {"now": now_ms, "failure": told, "run_id": run.run_id, "fence": run.fence}
    return bool(transaction.db.change(BEAT, bindings))


def note_census(transaction: Transaction, run: Run, counted: Counted) -> None:
    """Note what a census of the run's scope found."""
    transaction.db.execute(NOTE_CENSUS, {**asdict(counted), "run_id": run.run_id, "fence": run.fence})


def note_end(transaction: Transaction, run: Run, *, exit_code: int, reason: str, now_ms: int) -> None:
    """Note how an invocation ended, and how many in a row ended so."""
    bindings = {"code": exit_code, "reason": reason, "now": now_ms, "run_id": run.run_id, "fence": run.fence}
    if transaction.db.change(NOTE_END, bindings):
        course.note_end(transaction, run, exit_code=exit_code, reason=reason, now_ms=now_ms)


def note_computing(transaction: Transaction, run: Run, computing: Computing, *, now_ms: int) -> None:
    """Note how a model on this machine computes for the run; one row of it is kept."""
    bindings = {"kept": json.dumps(asdict(computing)), "run_id": run.run_id, "now": now_ms}
    if not transaction.db.change(NOTE_COMPUTING, bindings):
        transaction.db.execute(BEGIN_COMPUTING, bindings)


def computing(store: Store, run_id: int) -> Computing | None:
    """Return how a model on this machine computed for the run last, None where nothing that can be read tells."""
    return computing_of(object_of(store.db.value(COMPUTING, {"run_id": run_id})))


def last_rate(store: Store, target: int | None) -> Measured | None:
    """Return the rate of the last run to a target, else of the last run that had one; None where none had."""
    rows = store.db.execute(RATES, {"target": target})
    return Measured(int(rows[0][0]), int(rows[0][1]), int(rows[0][2])) if rows else None
