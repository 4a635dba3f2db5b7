"""Reads memories for the migration: namespaces, blocks of ids, rows by id, and all rows in one sweep.

ai-memory's databases have no index on (namespace, id). Left to its planner SQLite takes another index
and sorts the whole namespace for every page, so the ids of a namespace are read once, sorted, in large
blocks, and the rows then by their primary key: about 3 ms for a page of 500 (docs/adr/0002). A namespace with a large
part of the file would be read whole for each of many blocks: its ids are met in order along the primary key instead,
and where it is the only one that key tells them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ai_memory.memory.row import MemoryRow
from ai_memory.stores.sqlite.among import VALUES, among
from ai_memory.stores.sqlite.consistent import memory_rows
from ai_memory.stores.sqlite.reads import READS
from ai_memory.stores.sqlite.which_rows import ROWS, judged, served

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.sqlite.connection import Binding

NAMESPACES = "SELECT CAST(namespace AS BLOB) FROM main.memories GROUP BY namespace ORDER BY namespace"
UNADDRESSABLE = """
    SELECT CAST(namespace AS BLOB), count(*) FROM memory_row WHERE typeof(id) <> 'text' AND live GROUP BY namespace
"""
STORED_SPACES = """
    SELECT CAST(embedding_space AS BLOB), CASE WHEN typeof(embedding_dim) = 'integer' THEN embedding_dim END, count(*)
    FROM {rows} WHERE live AND embedding IS NOT NULL GROUP BY 1, 2 ORDER BY count(*) DESC
"""
IDS = """
    SELECT CAST(id AS BLOB) FROM main.memories
    WHERE {namespace} = CAST(:namespace AS TEXT) AND typeof(id) = 'text' {after} ORDER BY {order} LIMIT :limit
"""
IDS_OF_THE_ONLY_ONE = """
    SELECT CAST(id AS BLOB) FROM main.memories
    WHERE typeof(id) = 'text' {after}
        AND NOT EXISTS (SELECT 1 FROM main.memories WHERE namespace < CAST(:namespace AS TEXT))
        AND NOT EXISTS (SELECT 1 FROM main.memories WHERE namespace > CAST(:namespace AS TEXT))
        AND NOT EXISTS (SELECT 1 FROM main.memories WHERE namespace IS NULL)
    ORDER BY id LIMIT :limit
"""
# So many memories of a namespace, read anew for each block of ids, are as many as the file has.
LARGE = """
    WITH large AS (
        SELECT CAST(sqrt(coalesce(max(rowid), 0) * CAST(:limit AS REAL)) AS INTEGER) AS rows FROM main.memories
    )
    SELECT (SELECT rows FROM large) <= (
        SELECT count(*) FROM (
            SELECT 1 FROM main.memories WHERE namespace = CAST(:namespace AS TEXT) LIMIT (SELECT rows FROM large)
        )
    )
"""
AFTER = "AND {order} > CAST(:after AS TEXT)"

# A bare parameter beside an indexed column has SQLite plan anew at every binding (STAT4); a CAST has not: 42 -> 10 us.
OF_MEMORY = """
    CAST(m.id AS BLOB), CAST(m.namespace AS BLOB), typeof(m.title) = 'text' AND typeof(m.content) = 'text',
    CAST(m.title AS BLOB), CAST(m.content AS BLOB), CAST(m.encrypted_envelope AS BLOB), CAST(m.recipient AS BLOB),
    m.live,
    CASE WHEN typeof(m.embedding) = 'blob' THEN m.embedding END,
    CASE WHEN typeof(m.embedding_dim) = 'integer' THEN m.embedding_dim END, CAST(m.embedding_space AS BLOB)
"""
OF_ROW = 17
"""How many columns a `MemoryRow` is made of: these, four of the vector's record, one of the quarantine, the reads."""
COLUMNS = f"""
    SELECT {OF_MEMORY}, m.recorded_target, m.recorded_src, m.recorded_head, m.recorded_origin, q.src,
        {READS}
"""
QUARANTINE = "LEFT JOIN reembed_quarantine AS q ON q.target = CAST(:target AS INTEGER) AND q.memory_id = m.id"
ROW = f"{COLUMNS} FROM {{rows}} AS m {QUARANTINE}"
ROWS_BY_ID = f"""
    {COLUMNS} FROM {VALUES} AS named CROSS JOIN {{rows}} AS m {QUARANTINE}
    WHERE m.id = CAST(named.value AS TEXT)
"""
ROWS_OF_NAMESPACE = ROW + " WHERE {plus}m.namespace = CAST(:namespace AS TEXT) AND typeof(m.id) = 'text' {within}"
ALL_ROWS = ROW + " WHERE typeof(m.id) = 'text' {within}"


def namespaces(store: Store) -> list[str]:
    """Return every namespace, in SQLite's order."""
    return [store.codec.name(name) for (name,) in store.db.execute(NAMESPACES)]


def unaddressable(store: Store) -> list[tuple[str, int]]:
    """Return how many live rows have no text as id, by namespace: they can be neither named nor updated safely."""
    return [(store.codec.name(name), count) for name, count in store.db.execute(UNADDRESSABLE)]


def stored_spaces(store: Store) -> list[tuple[str | None, int | None, int]]:
    """Return the spaces and widths that live rows declare, with their number of rows, the most frequent first."""
    return [
        (_name(store, space), dim, count)
        for space, dim, count in store.db.execute(STORED_SPACES.format(rows=served(store)))
    ]


def ids_after(store: Store, namespace: str, after: str | None, *, limit: int) -> list[str]:
    """Return the next ids of a namespace in SQLite's order, at most `limit`, after `after` (None: from the start)."""
    bindings: dict[str, Binding] = {
        "namespace": store.codec.bound(namespace),
        "after": None if after is None else store.codec.bound(after),
        "limit": limit,
    }
    if store.schema.walk_index:
        return _named(store, IDS, bindings, namespace="namespace", order="id")
    if alone := _named(store, IDS_OF_THE_ONLY_ONE, bindings, order="id"):
        return alone
    # The unary plus keeps SQLite from an index: that of the namespaces, or the primary key through the whole file.
    if store.db.value(LARGE, bindings):
        return _named(store, IDS, bindings, namespace="+namespace", order="id")
    return _named(store, IDS, bindings, namespace="namespace", order="+id")


def _named(
    store: Store, sql: str, bindings: Mapping[str, Binding], *, order: str, namespace: str = "namespace"
) -> list[str]:
    after = "" if bindings["after"] is None else AFTER.format(order=order)
    found = store.db.execute(sql.format(namespace=namespace, order=order, after=after), bindings)
    return [store.codec.name(row[0]) for row in found]


def memory_row(store: Store, values: Sequence[Any]) -> MemoryRow:
    """Return the memory of the values of OF_ROW columns."""
    return MemoryRow._make((*values, store.codec))


def rows_by_id(store: Store, ids: Sequence[str], *, target: int | None) -> list[MemoryRow]:
    """Return the rows of `ids` that still exist, in that order, as `target` judges them, and with its quarantine."""
    sql = ROWS_BY_ID.replace(ROWS, judged(store, target))
    named = [store.codec.bound(each) for each in ids]
    rows = [memory_row(store, values) for values in among(store.db, sql, named, {"target": target})]
    places = {raw_id: place for place, raw_id in enumerate(named)}
    return sorted(rows, key=lambda row: places[row.raw_id])


def all_rows(store: Store, *, target: int | None, only: Sequence[str] | None) -> Iterator[MemoryRow]:
    """Yield every addressable row once, of the namespaces `only` (None: all); inside of `consistently`."""
    view = judged(store, target)
    if only is None:
        rows = memory_rows(store.db, ALL_ROWS.replace(ROWS, view), {"target": target})
        yield from (memory_row(store, each) for each in rows)
        return
    for namespace in only:
        bindings = {"target": target, "namespace": store.codec.bound(namespace)}
        rows = memory_rows(store.db, ROWS_OF_NAMESPACE.replace(ROWS, view), bindings)
        yield from (memory_row(store, each) for each in rows)


def _name(store: Store, stored: bytes | None) -> str | None:
    return None if stored is None else store.codec.name(stored)
