"""Reads memories for the migration: namespaces, blocks of ids, rows by id, and all rows in one sweep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ai_memory.memory.row import MemoryRow
from ai_memory.stores.postgres.names import storable, those_storable
from ai_memory.stores.postgres.reads import READS
from ai_memory.stores.postgres.which_rows import judged, served

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store
    from ai_memory.stores.postgres.connection import Row
    from ai_memory.stores.postgres.schema import Schema

NAMESPACES = "SELECT DISTINCT namespace FROM memories ORDER BY namespace"
UNADDRESSABLE = "SELECT m.namespace, count(*) FROM memories AS m WHERE m.id IS NULL AND {live} GROUP BY m.namespace"
STORED_SPACES = """
    SELECT embedding_space, embedding_dim, count(*) FROM {rows} AS m
    WHERE live AND embedding IS NOT NULL GROUP BY 1, 2 ORDER BY count(*) DESC
"""
IDS = "SELECT id FROM memories WHERE namespace = %(namespace)s {after} ORDER BY id LIMIT %(limit)s"
AFTER = "AND id > %(after)s"

OF_ROW = 16
"""How many columns a `MemoryRow` is made of."""
COLUMNS = """
    m.id, m.namespace, m.title, m.content, m.encrypted_envelope, m.recipient, m.live, {sent},
    m.embedding_dim, m.embedding_space, m.recorded_target, m.recorded_src, m.recorded_head, m.recorded_origin,
    q.src, {reads}
"""
QUARANTINE = "LEFT JOIN reembed_quarantine AS q ON q.target = %(target)s::bigint AND q.memory_id = m.id"
ROWS_BY_ID = f"""
    SELECT {{columns}} FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS named (id, place)
    JOIN {{rows}} AS m ON m.id = named.id {QUARANTINE} ORDER BY named.place
"""
ALL_ROWS = f"""
    SELECT {{columns}} FROM {{rows}} AS m {QUARANTINE}
    WHERE m.id IS NOT NULL AND (%(only)s::text[] IS NULL OR m.namespace = ANY(%(only)s::text[]))
"""


def namespaces(store: Store) -> list[str]:
    """Return every namespace, in the database's order."""
    return [str(row[0]) for row in store.db.execute(NAMESPACES)]


def unaddressable(store: Store) -> list[tuple[str, int]]:
    """Return how many live rows have no id, by namespace: in a table with its primary key none has."""
    sql = UNADDRESSABLE.format(live=store.schema.live)
    return [(str(name), int(count)) for name, count in store.db.execute(sql)]


def stored_spaces(store: Store) -> list[tuple[str | None, int | None, int]]:
    """Return the spaces and widths that live rows declare, with their number of rows, the most frequent first."""
    found = store.db.execute(STORED_SPACES.format(rows=served(store)))
    return [(space, dim, int(count)) for space, dim, count in found]


def ids_after(store: Store, namespace: str, after: str | None, *, limit: int) -> list[str]:
    """Return the next ids of a namespace in the database's order, at most `limit`, after `after` (None: the first)."""
    if not storable(namespace):
        return []
    bindings = {"namespace": namespace, "after": after, "limit": limit}
    return [str(row[0]) for row in store.db.execute(IDS.format(after="" if after is None else AFTER), bindings)]


def columns(schema: Schema) -> str:
    """Return what `memory_row` reads of a memory `m`."""
    return COLUMNS.format(sent=schema.form.sent("m.embedding"), reads=READS)


def memory_row(store: Store, values: Row) -> MemoryRow:
    """Return the memory of the values of `columns`."""
    row_id, namespace, title, content, envelope, recipient, live, sent, *recorded = values
    dim, space, target, src, head, origin, aside, reads = recorded
    return MemoryRow(
        row_id.encode(),
        namespace.encode(),
        int(title is not None and content is not None),
        None if title is None else title.encode(),
        None if content is None else content.encode(),
        envelope,
        None if recipient is None else recipient.encode(),
        int(live),
        store.schema.form.blob(sent),
        dim,
        None if space is None else space.encode(),
        target,
        src,
        head,
        origin,
        aside,
        reads,
        store.codec,
    )


def rows_by_id(store: Store, ids: Sequence[str], *, target: int | None) -> list[MemoryRow]:
    """Return the rows of `ids` that still exist, in that order, as `target` judges them, and with its quarantine."""
    sql = ROWS_BY_ID.format(columns=columns(store.schema), rows=judged(store, target))
    found = store.db.execute(sql, {"ids": those_storable(ids), "target": target})
    return [memory_row(store, values) for values in found]


def all_rows(store: Store, *, target: int | None, only: Sequence[str] | None) -> Iterator[MemoryRow]:
    """Yield every addressable row once, of the namespaces `only` (None: all); inside of `consistently`."""
    sql = ALL_ROWS.format(columns=columns(store.schema), rows=judged(store, target))
    bindings = {"target": target, "only": None if only is None else those_storable(only)}
    for values in store.db.stream(sql, bindings):
        yield memory_row(store, values)
