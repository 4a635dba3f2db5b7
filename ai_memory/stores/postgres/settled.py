"""Tells, where no run is unfinished, for which target the database is known to be complete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ai_memory.stores.own_row import object_of

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction

LATEST_OTHER = """
    SELECT run_id FROM reembed_run
    WHERE run_id = (SELECT max(run_id) FROM reembed_run WHERE stamps = 0)
        AND NOT (state = 'done' AND undoes_first IS NULL AND target IS NOT DISTINCT FROM %(target)s::bigint)
"""
NOTHING_STALE = "nothing stale"
FOUND = f"""
    SELECT detail_json FROM reembed_event WHERE run_id = %(run_id)s AND kind = '{NOTHING_STALE}'
    ORDER BY id DESC LIMIT 1
"""
FORGET = f"DELETE FROM reembed_event WHERE run_id = %(run_id)s AND kind = '{NOTHING_STALE}'"
ADD = f"""
    INSERT INTO reembed_event (run_id, at, kind, detail_json)
    VALUES (%(run_id)s, %(now)s, '{NOTHING_STALE}', %(detail)s)
"""
UNTOUCHED = """
    SELECT target FROM reembed_run AS complete
    WHERE state = 'done' AND undoes_first IS NULL AND scope_json = 'null'
        AND NOT EXISTS (
            SELECT 1 FROM reembed_run
            WHERE run_id > complete.run_id AND (state = 'done' OR reembedded + attested + put_back > 0)
        )
    ORDER BY run_id DESC LIMIT 1
"""


def note_nothing_stale(transaction: Transaction, target: int | None, space: str, dim: int, *, now_ms: int) -> None:
    """Note after the run begun last, where that was another's or given up, that no row is stale for a target.

    `target` is the number of its record, None where the database has none.
    """
    run_id = transaction.db.value(LATEST_OTHER, {"target": target})
    if run_id is not None and nothing_stale(transaction, run_id) != (space, dim):
        detail = json.dumps({"space": space, "dim": dim})
        transaction.db.execute(FORGET, {"run_id": run_id})
        transaction.db.execute(ADD, {"run_id": run_id, "now": now_ms, "detail": detail})


def nothing_stale(store: Store, run_id: int) -> tuple[str, int] | None:
    """Return space and width for which nothing was stale after a run, None where nothing that can be read says so."""
    told = object_of(store.db.value(FOUND, {"run_id": run_id}))
    space, dim = told.get("space"), told.get("dim")
    return (space, dim) if isinstance(space, str) and isinstance(dim, int) else None


def untouched_target(store: Store) -> int | None:
    """Return the target of the last complete run over everything if no run has written since, else None."""
    found: int | None = store.db.value(UNTOUCHED)
    return found
