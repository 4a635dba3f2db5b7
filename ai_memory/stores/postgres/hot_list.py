"""Finds the hot rows of a database, and keeps a run's list of them, with its cursor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ai_memory.stores.postgres.names import those_storable
from ai_memory.stores.postgres.origins import SWEPT
from ai_memory.stores.postgres.reads import HEAT, PRIORITY, READS
from ai_memory.stores.postgres.scopes import OTHERS
from ai_memory.stores.postgres.which_rows import judged

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import Checkpoint, Run
    from ai_memory.vectors.target import Fingerprint

# What the target has already is left out, and what nobody reads.
HOT = f"""
    SELECT m.id FROM {{rows}} AS m
    WHERE {READS} > 0 AND m.id IS NOT NULL AND m.recorded_target IS DISTINCT FROM %(target)s AND m.live AND {{scope}}
    ORDER BY {HEAT} DESC, {PRIORITY} DESC, m.id LIMIT %(limit)s
"""
OF_NAMESPACES = "m.namespace = ANY(%(only)s::text[])"
OF_ALL = OTHERS.format(column="m.namespace")
CURSOR = "SELECT passed FROM reembed_hot_list WHERE run_id = %(run_id)s AND pass = %(pass)s"
LISTED = "SELECT memory_id FROM reembed_hot WHERE run_id = %(run_id)s AND place > %(passed)s ORDER BY place"
DROP_PLACES = "DELETE FROM reembed_hot"
DROP_LISTS = "DELETE FROM reembed_hot_list"
BEGIN_LIST = "INSERT INTO reembed_hot_list (run_id, pass, frozen_at) VALUES (%(run_id)s, %(pass)s, %(now)s)"
ADD_PLACES = """
    INSERT INTO reembed_hot (run_id, place, memory_id)
    SELECT %(run_id)s, place, id FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS listed (id, place)
"""
ADVANCE = """
    UPDATE reembed_hot_list SET passed = least(passed, 1000000000) + %(places)s
    WHERE run_id = %(run_id)s AND pass = %(pass)s
"""
READS_OF = f"""
    SELECT coalesce(sum({READS}), 0)::bigint FROM {{rows}} AS m
    WHERE m.id = ANY(%(ids)s::text[]) AND m.recorded_target = %(target)s AND m.recorded_origin IN ({SWEPT})
"""
DOUBT = "UPDATE reembed_run SET reads_left = least(reads_left + %(reads)s, reads) WHERE run_id = %(run_id)s"


def hottest(store: Store, *, target: int, only: Sequence[str] | None, limit: int, now_ms: int) -> list[str]:
    """Return the ids of the live rows that are read most and are not the target's yet, the hottest first.

    Of the namespaces `only` (None: all but ai-memory's own), at most `limit`; inside of `consistently`.
    """
    sql = HOT.format(rows=judged(store, target), scope=OF_ALL if only is None else OF_NAMESPACES)
    now = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat()
    bindings = {"target": target, "limit": limit, "now": now, "only": those_storable(only or ())}
    return [str(row[0]) for row in store.db.execute(sql, bindings)]


def listed(store: Store, run: Run) -> list[str] | None:
    """Return the ids of the run's list from its cursor on; None where none was frozen in its present pass."""
    passed = store.db.value(CURSOR, {"run_id": run.run_id, "pass": run.pass_number})
    if passed is None:
        return None
    return [str(row[0]) for row in store.db.execute(LISTED, {"run_id": run.run_id, "passed": passed})]


def freeze(transaction: Transaction, run: Run, ids: Sequence[str], *, now_ms: int) -> None:
    """Keep the list of the run's present pass, in the place of every other list."""
    drop(transaction)
    transaction.db.execute(BEGIN_LIST, {"run_id": run.run_id, "pass": run.pass_number, "now": now_ms})
    transaction.db.execute(ADD_PLACES, {"run_id": run.run_id, "ids": list(ids)})


def drop(transaction: Transaction) -> None:
    """Delete every list: at most one run is unfinished, and the others need theirs no more."""
    transaction.db.execute(DROP_PLACES)
    transaction.db.execute(DROP_LISTS)


def advance(transaction: Transaction, run: Run, step: Checkpoint) -> None:
    """Move the list's cursor by the places that a page passed."""
    bindings = {"places": step.rows_done, "run_id": run.run_id, "pass": run.pass_number}
    transaction.db.execute(ADVANCE, bindings)


def doubt(transaction: Transaction, run: Run, target: Fingerprint, ids: Sequence[str]) -> None:
    """Count the reads of rows whose vectors are about to be forgotten as not answered."""
    sql = READS_OF.format(rows=judged(transaction, target.id))
    reads = int(transaction.db.value(sql, {"ids": those_storable(ids), "target": target.id}))
    transaction.db.execute(DOUBT, {"reads": reads, "run_id": run.run_id})
