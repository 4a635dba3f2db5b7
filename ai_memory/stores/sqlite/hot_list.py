"""Finds the hot rows of a file, and keeps a run's list of them, with its cursor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import TYPE_CHECKING

from ai_memory.stores.sqlite.consistent import memory_rows
from ai_memory.stores.sqlite.namespaces import OTHERS
from ai_memory.stores.sqlite.origins import SWEPT
from ai_memory.stores.sqlite.reads import HEAT, PRIORITY, READS
from ai_memory.stores.sqlite.which_rows import ROWS, judged
from ai_memory.text.amounts import DAY

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Binding, Row
    from ai_memory.stores.values import Checkpoint, Run
    from ai_memory.vectors.target import Fingerprint

UNIX_EPOCH = 2_440_587.5
"""The Julian day of 1970-01-01T00:00Z."""

SCOPE = "{scope}"
# What the target has already is left out, and what nobody reads.
HOT = f"""
    SELECT CAST(m.id AS BLOB), {HEAT} AS heat, {PRIORITY} AS priority
    FROM {ROWS} AS m
    WHERE {READS} > 0 AND typeof(m.id) = 'text' AND m.recorded_target IS NOT :target AND m.live
        AND {SCOPE} {{within}}
    ORDER BY heat DESC, priority DESC LIMIT :limit
"""
OF_NAMESPACE = HOT.replace(SCOPE, "{plus}m.namespace = CAST(:namespace AS TEXT)")
OF_ALL = HOT.replace(SCOPE, OTHERS.format(column="m.namespace"))
CURSOR = "SELECT passed FROM reembed_hot_list WHERE run_id = ? AND pass = ?"
LISTED = """
    SELECT CAST(memory_id AS BLOB) FROM reembed_hot
    WHERE run_id = ? AND place > ? AND typeof(memory_id) = 'text' ORDER BY place
"""
DROP_PLACES = "DELETE FROM reembed_hot"
DROP_LISTS = "DELETE FROM reembed_hot_list"
BEGIN_LIST = "INSERT INTO reembed_hot_list (run_id, pass, frozen_at) VALUES (?, ?, ?)"
ADD_PLACE = "INSERT INTO reembed_hot (run_id, place, memory_id) VALUES (?, ?, CAST(? AS TEXT))"
ADVANCE = "UPDATE reembed_hot_list SET passed = min(passed, 1000000000) + ? WHERE run_id = ? AND pass = ?"
READS_OF = f"""
    SELECT {READS} FROM {ROWS} AS m
    WHERE m.id = CAST(? AS TEXT) AND m.recorded_target = CAST(? AS INTEGER) AND m.recorded_origin IN ({SWEPT})
"""
DOUBT = "UPDATE reembed_run SET reads_left = min(reads_left + ?, reads) WHERE run_id = ?"


def hottest(store: Store, *, target: int, only: Sequence[str] | None, limit: int, now_ms: int) -> list[str]:
    """Return the ids of the live rows that are read most and are not the target's yet, the hottest first.

    Of the namespaces `only` (None: all but ai-memory's own), at most `limit`; inside of `consistently`.
    """
    bindings: dict[str, Binding] = {"target": target, "limit": limit, "now": now_ms / DAY + UNIX_EPOCH}
    view = judged(store, target)
    if only is None:
        rows = memory_rows(store.db, OF_ALL.replace(ROWS, view), bindings)
    else:
        rows = _of_namespaces(store, OF_NAMESPACE.replace(ROWS, view), only, bindings)
    return [store.codec.name(row[0]) for row in nsmallest(limit, rows, key=_coldness)]


def listed(store: Store, run: Run) -> list[str] | None:
    """Return the ids of the run's list from its cursor on; None where none was frozen in its present pass."""
    passed = store.db.value(CURSOR, (run.run_id, run.pass_number))
    if passed is None:
        return None
    return [store.codec.name(row[0]) for row in store.db.execute(LISTED, (run.run_id, passed))]


def freeze(transaction: Transaction, run: Run, ids: Sequence[str], *, now_ms: int) -> None:
    """Keep the list of the run's present pass, in the place of every other list."""
    drop(transaction)
    transaction.db.execute(BEGIN_LIST, (run.run_id, run.pass_number, now_ms))
    places = [(run.run_id, place, transaction.codec.bound(each)) for place, each in enumerate(ids, 1)]
    transaction.db.execute_many(ADD_PLACE, places)


def drop(transaction: Transaction) -> None:
    """Delete every list: at most one run is unfinished, and the others need theirs no more."""
    transaction.db.execute(DROP_PLACES)
    transaction.db.execute(DROP_LISTS)


def advance(transaction: Transaction, run: Run, step: Checkpoint) -> None:
    """Move the list's cursor by the places that a page passed."""
    transaction.db.execute(ADVANCE, (step.rows_done, run.run_id, run.pass_number))


def doubt(transaction: Transaction, run: Run, target: Fingerprint, ids: Sequence[str]) -> None:
    """Count the reads of rows whose vectors are about to be forgotten as not answered."""
    sql = READS_OF.replace(ROWS, judged(transaction, target.id))
    bindings = [(transaction.codec.bound(each), target.id) for each in ids]
    reads = sum(row[0] for row in transaction.db.execute_many(sql, bindings))
    transaction.db.execute(DOUBT, (reads, run.run_id))


def _of_namespaces(store: Store, sql: str, only: Sequence[str], bindings: Mapping[str, Binding]) -> Iterator[Row]:
    for namespace in only:
        named = {**bindings, "namespace": store.codec.bound(namespace)}
        yield from memory_rows(store.db, sql, named)


def _coldness(row: Row) -> tuple[float, int, bytes]:
    row_id, heat, priority = row
    return -heat, -priority, row_id
