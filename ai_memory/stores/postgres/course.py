"""Keeps when a run wrote how many rows and how its starts ended, as events of the run, and reads them.

A start is told by two events, its rows by one a second at most, and of a long run by one in two hundred parts of its
age: a run of a week has less than two thousand. Of starts, ends and failures of the endpoint only the latest are kept.
Nothing is decided by them, so what cannot be read is left out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ai_memory.stores.course import (
    ENDED,
    EVERY_MS,
    MOST_SPACES,
    MOST_STARTS,
    OF_A_RUN,
    OF_STARTS,
    PARTS,
    ROWS,
    TAKEN,
    TAKEN_OVER,
    WRITTEN,
    Moment,
    moment_of,
    spaces_of,
)
from ai_memory.stores.own_row import object_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import Run, Space

NOTE_ROWS = f"""
    INSERT INTO reembed_event (run_id, at, kind, detail_json)
    SELECT run_id, %(now)s, '{WRITTEN}', json_build_object('rows', {ROWS})::text FROM reembed_run AS r
    WHERE run_id = %(run_id)s AND NOT EXISTS (
        SELECT 1 FROM reembed_event AS e
        WHERE e.run_id = %(run_id)s AND e.kind = '{WRITTEN}' AND e.at <= %(now)s
            AND e.at > %(now)s - greatest({EVERY_MS}, (%(now)s - r.started_at) / {PARTS})
    )
"""
NOTE_END = f"""
    INSERT INTO reembed_event (run_id, at, kind, detail_json)
    SELECT run_id, %(now)s, '{ENDED}',
        json_build_object('rows', {ROWS}, 'code', %(code)s::integer, 'reason', %(reason)s::text)::text
    FROM reembed_run WHERE run_id = %(run_id)s
"""
FORGET_STARTS = f"""
    DELETE FROM reembed_event WHERE run_id = %(run_id)s AND kind IN ({OF_STARTS}) AND id <= (
        SELECT id FROM reembed_event WHERE run_id = %(run_id)s AND kind IN ({OF_STARTS})
        ORDER BY id DESC LIMIT 1 OFFSET %(most)s
    )
"""
LAST_START = f"""
    SELECT detail_json FROM reembed_event WHERE run_id = %(run_id)s AND kind IN ('{TAKEN}', '{TAKEN_OVER}')
    ORDER BY id DESC LIMIT 1
"""
STARTED = "SELECT detail_json FROM reembed_event WHERE run_id = %(run_id)s AND kind = 'started' LIMIT 1"
NOTE_STORED = "UPDATE reembed_event SET detail_json = %(stored)s WHERE run_id = %(run_id)s AND kind = 'started'"
MOMENTS = f"""
    SELECT at, kind, detail_json FROM reembed_event
    WHERE run_id = %(run_id)s AND kind IN ({OF_A_RUN}) ORDER BY id
"""


def note_stored(transaction: Transaction, run: Run, stored: list[Space]) -> None:
    """Note which vectors stand in the database as a run begins."""
    told = json.dumps({"stored": stored[:MOST_SPACES]})
    transaction.db.execute(NOTE_STORED, {"stored": told, "run_id": run.run_id})


def note_rows(transaction: Transaction, run: Run, *, now_ms: int) -> None:
    """Note how many rows the run has written, unless that was noted a moment ago."""
    transaction.db.execute(NOTE_ROWS, {"now": now_ms, "run_id": run.run_id})


def forget_starts(transaction: Transaction, run: Run) -> None:
    """Drop what is told of the earliest starts of a run that has very many."""
    transaction.db.execute(FORGET_STARTS, {"run_id": run.run_id, "most": MOST_STARTS})


def note_end(transaction: Transaction, run: Run, *, exit_code: int, reason: str, now_ms: int) -> None:
    """Note that a start of the run ended."""
    bindings = {"now": now_ms, "code": exit_code, "reason": reason, "run_id": run.run_id}
    transaction.db.execute(NOTE_END, bindings)


def last_start(store: Store, run: Run) -> Mapping[str, object]:
    """Return what is kept of the start that took the run last, as far as it can be read."""
    return object_of(store.db.value(LAST_START, {"run_id": run.run_id}))


def moments(store: Store, run: Run) -> tuple[Moment, ...]:
    """Return what became of the run, as far as it can be read."""
    rows = store.db.execute(MOMENTS, {"run_id": run.run_id})
    found = (moment_of(at, kind, object_of(detail)) for at, kind, detail in rows)
    return tuple(each for each in found if each)


def replaced(store: Store, run: Run) -> tuple[Space, ...]:
    """Return which vectors stood there when the run began; none where nothing that can be read tells them."""
    return spaces_of(object_of(store.db.value(STARTED, {"run_id": run.run_id})))
