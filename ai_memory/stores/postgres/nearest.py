"""Finds the memories nearest to a query by pgvector's index, where that answers what the walk over all would.

Vectors of two spaces are never compared: an index knows of none. So it is asked only where all vectors in question
are of one space, which is counted without reading them; and what it found is judged as every vector is. Else, and where
it finds less than it was asked for, all are walked over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.stores.postgres.scopes import within
from ai_memory.stores.postgres.transactions import snapshot
from ai_memory.stores.postgres.vector_pages import PAGE_ROWS, page_of
from ai_memory.stores.postgres.which_rows import IS_ACTIVE, NUMBER, served

if TYPE_CHECKING:
    from ai_memory.stores.memory_values import Neighbours, VectorPage
    from ai_memory.stores.postgres.base import Store
    from ai_memory.vectors.target import Vectors

# From 0.8 on a scan goes on until enough of what it finds is in the namespace, see "iterative index scans" of pgvector.
HAS_INDEX = """
    SELECT EXISTS (
        SELECT 1 FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS a ON a.oid = c.relam
        JOIN pg_opclass AS o ON o.oid = i.indclass[0]
        JOIN pg_attribute AS t ON t.attrelid = i.indrelid AND t.attnum = i.indkey[0]
        WHERE i.indrelid = to_regclass('memories') AND a.amname = 'hnsw' AND o.opcname = 'vector_cosine_ops'
            AND t.attname = 'embedding' AND i.indisvalid AND i.indpred IS NULL
    ) AND EXISTS (
        SELECT 1 FROM pg_extension
        WHERE extname = 'vector' AND string_to_array(split_part(extversion, '-', 1), '.')::int[] >= ARRAY[0, 8]
    )
"""
COUNTS = """
    SELECT m.embedding IS NULL, coalesce(f.space, m.embedding_space),
        m.embedding_dim IS DISTINCT FROM %(dim)s::integer AND m.embedding_dim IS NOT NULL, count(*)
    FROM {rows} AS m LEFT JOIN embedding_fingerprint AS f ON f.id = m.recorded_target
    WHERE m.live AND {scope} GROUP BY 1, 2, 3
"""
SETTINGS = """
    SELECT vector_norm(%(query)s::vector) > 0, set_config('hnsw.iterative_scan', 'strict_order', true),
        set_config('hnsw.ef_search', %(ef)s, true)
"""
NEAREST = f"""
    SELECT {NUMBER} FROM (SELECT m.ctid AS place FROM memories AS m WHERE {{live}} AND {{scope}}
        AND m.embedding IS NOT NULL ORDER BY m.embedding <=> %(query)s::vector({{width}}) LIMIT %(limit)s) AS m
"""
VECTORS = f"""
    SELECT {NUMBER}, {{sent}}, m.embedding_dim, m.embedding_space, f.space, m.recorded_head
    FROM {{rows}} AS m LEFT JOIN embedding_fingerprint AS f ON f.id = m.recorded_target
    WHERE m.place = ANY(
        ARRAY(SELECT ('(' || (n >> 16) || ',' || (n & 65535) || ')')::tid FROM unnest(%(numbers)s::bigint[]) AS n)
    )
"""
MOST_EF = 1_000
"""The widest search that pgvector takes (0.8)."""


def nearest(store: Store, wanted: Neighbours) -> VectorPage | None:
    """Return them; see `stores.memory_port_reading.SearchReader.nearest`."""
    width = store.schema.form.width
    if width is None or store.db.value(IS_ACTIVE) or not store.db.value(HAS_INDEX):
        return None
    scope, names = within(wanted.namespace, "m.namespace", substrate=wanted.substrate)
    with snapshot(store.db):
        counted = store.db.execute(COUNTS.format(rows=served(store), scope=scope), {**names, "dim": width})
        alike = [(space, int(rows)) for missing, space, odd, rows in counted if not missing and not odd]
        of_others = any(odd for missing, _, odd, _ in counted if not missing)
        if len(alike) != 1 or of_others or alike[0][1] <= PAGE_ROWS:
            return None
        space, query = alike[0][0], wanted.queries.get(alike[0][0] or "")
        if query is None or len(query) != width:
            return None
        found = _asked(store, query, scope, names, limit=wanted.limit)
        if len(found) < wanted.limit:
            return None
        page = _read(store, [*{*found, *wanted.also}])
    if len(page.malformed) or {each.space for each in page.groups} != {space}:
        return None
    return replace(page, missing=sum(int(rows) for missing, *_, rows in counted if missing))


def _asked(store: Store, query: Vectors, scope: str, names: Mapping[str, str], *, limit: int) -> list[int]:
    """Return the numbers of the nearest, as the index finds them; none for a query that has no direction."""
    bound = {"query": f"[{','.join(f'{float(each):.9g}' for each in query)}]", "limit": limit}
    has_direction, *_ = store.db.execute(SETTINGS, {**bound, "ef": str(min(2 * limit, MOST_EF))})[0]
    if not has_direction:
        return []
    sql = NEAREST.format(live=store.schema.live, scope=scope, width=store.schema.form.width)
    return [int(number) for (number,) in store.db.execute(sql, {**bound, **names})]


def _read(store: Store, numbers: Sequence[int]) -> VectorPage:
    form = store.schema.form
    sql = VECTORS.format(sent=form.sent("m.embedding"), rows=served(store))
    return page_of(
        [(number, form.blob(sent), *rest) for number, sent, *rest in store.db.execute(sql, {"numbers": numbers})]
    )
