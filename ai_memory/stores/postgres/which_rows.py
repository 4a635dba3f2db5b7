"""Looks at the memories: with their own vectors, or with what is served or staged in their place.

Each function returns a query to stand in FROM, as `m`: a uniform look at the memories of all releases, NULL or a
default in what a database lacks. `own` is a memory with its own vector, `recorded` with the record of that, too.
`served` is what recall serves where that is another one: what `embedding_active` says. `staged` is what it would serve
once the unfinished staged run is switched to: what that run judges and fills. In both a vector that was made of another
text than the memory has now is passed over, and the row's own stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.postgres.columns import OPTIONAL, REQUIRED
from ai_memory.stores.run_states import IS_UNFINISHED

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store
    from ai_memory.stores.postgres.schema import Schema

STAGED_TARGET = f"SELECT target FROM reembed_run WHERE staged = 1 AND {IS_UNFINISHED}"
ACTIVE_TARGET = "SELECT target FROM embedding_active"
ACTIVE_BEFORE = "SELECT run_id FROM embedding_active WHERE target IS NULL"
IS_ACTIVE = "SELECT EXISTS (SELECT 1 FROM embedding_active)"

NUMBER = "(((m.place::text::point)[0]::bigint << 16) | (m.place::text::point)[1]::bigint)"
"""The number of a memory `m` while one state is read: its place in the table, of block and line."""
PLACE = "('(' || (%(number)s::bigint >> 16) || ',' || (%(number)s::bigint & 65535) || ')')::tid"
"""The place of the bound `number`."""

OF_VECTOR = ("embedding", "embedding_dim", "embedding_space")
OWN = "(SELECT m.ctid AS place, {columns}, {live} AS live, {own} FROM memories AS m)"
RECORDED = """(
    SELECT m.ctid AS place, {columns}, {live} AS live, {own}, p.fingerprint_id AS recorded_target,
        p.src AS recorded_src, p.head AS recorded_head, p.origin AS recorded_origin
    FROM memories AS m LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id
)"""
STAGED = """(
    SELECT m.ctid AS place, {columns}, {live} AS live,
        CASE WHEN s.id IS NOT NULL THEN s.embedding::{type} ELSE m.embedding END AS embedding,
        CASE WHEN s.id IS NOT NULL THEN f.dim ELSE {embedding_dim} END AS embedding_dim,
        CASE WHEN s.id IS NOT NULL THEN f.space ELSE {embedding_space} END AS embedding_space,
        CASE WHEN s.id IS NOT NULL THEN s.target ELSE p.fingerprint_id END AS recorded_target,
        CASE WHEN s.id IS NOT NULL THEN s.src ELSE p.src END AS recorded_src,
        CASE WHEN s.id IS NOT NULL THEN s.head ELSE p.head END AS recorded_head,
        CASE WHEN s.id IS NOT NULL THEN s.origin ELSE p.origin END AS recorded_origin
    FROM memories AS m
    LEFT JOIN embedding_staged AS s ON s.memory_id = m.id AND s.target = ({target}) AND s.text_hash = {text_hash}
    LEFT JOIN embedding_fingerprint AS f ON f.id = s.target
    LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id
)"""
ELSEWHERE = """(
    SELECT m.ctid AS place, {columns}, {live} AS live,
        CASE WHEN s.id IS NOT NULL THEN s.embedding::{type} WHEN k.id IS NOT NULL THEN k.embedding::{type}
            ELSE m.embedding END AS embedding,
        CASE WHEN s.id IS NOT NULL THEN f.dim WHEN k.id IS NOT NULL THEN k.embedding_dim
            ELSE {embedding_dim} END AS embedding_dim,
        CASE WHEN s.id IS NOT NULL THEN f.space WHEN k.id IS NOT NULL THEN k.embedding_space
            ELSE {embedding_space} END AS embedding_space,
        CASE WHEN s.id IS NOT NULL THEN s.target WHEN k.id IS NOT NULL THEN k.fingerprint_id
            ELSE p.fingerprint_id END AS recorded_target,
        CASE WHEN s.id IS NOT NULL THEN s.src WHEN k.id IS NOT NULL THEN k.src ELSE p.src END AS recorded_src,
        CASE WHEN s.id IS NOT NULL THEN s.head WHEN k.id IS NOT NULL THEN k.head ELSE p.head END AS recorded_head,
        CASE WHEN s.id IS NOT NULL THEN s.origin WHEN k.id IS NOT NULL THEN k.origin ELSE p.origin END
            AS recorded_origin
    FROM memories AS m
    LEFT JOIN embedding_staged AS s ON s.memory_id = m.id AND s.target = ({target}) AND s.text_hash = {text_hash}
    LEFT JOIN embedding_fingerprint AS f ON f.id = s.target
    LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id
    LEFT JOIN embedding_previous AS k ON k.memory_id = m.id AND k.run_id = ({before})
        AND k.text_hash = {text_hash} AND k.written_head = {head}
)"""
# The head of a vector as `vectors.blob.head` has it: the length of its BLOB and 16 bytes of it, both little-endian.
BYTE = "substr({bytes}, {place}, 1)"
LENGTH = """
    set_byte(set_byte(set_byte('\\x00000000'::bytea, 0, {n} & 255), 1, ({n} >> 8) & 255), 2, ({n} >> 16) & 255)
"""


def own(store: Store) -> str:
    """Return the memories with their own vectors."""
    return OWN.format(**_columns(store.schema))


def served(store: Store) -> str:
    """Return the memories as they are served, with the records of their vectors."""
    if not store.db.value(IS_ACTIVE):
        return RECORDED.format(**_columns(store.schema))
    return ELSEWHERE.format(target=ACTIVE_TARGET, before=ACTIVE_BEFORE, **_columns(store.schema))


def judged(store: Store, target: int | None = None) -> str:
    """Return the memories as a target judges them, where its run puts its vectors; None: as served."""
    if target is not None and store.db.value(STAGED_TARGET) == target:
        return STAGED.format(target=STAGED_TARGET, **_columns(store.schema))
    return served(store)


def head_of(schema: Schema, column: str) -> str:
    """Return SQL for the head of a vector."""
    if schema.form.pgvector:
        bytes_, order = f"vector_send({column})", [5 + 4 * each + place for each in range(4) for place in (3, 2, 1, 0)]
        first = " || ".join(BYTE.format(bytes=bytes_, place=place) for place in order)
    else:
        first = f"substr({column}, 1 + mod(octet_length({column}), 4), 16)"
    return f"({LENGTH.format(n=schema.form.size(column))} || {first})"


def _columns(schema: Schema) -> dict[str, str]:
    """Return what the queries are made of in a database."""
    columns = {each: schema.column(each) for each in (*REQUIRED, *OPTIONAL) if each not in OF_VECTOR}
    columns["recipient"] = schema.recipient
    return {
        "columns": ", ".join(f"{value} AS {each}" for each, value in columns.items()),
        "own": ", ".join(f"{schema.column(each)} AS {each}" for each in OF_VECTOR),
        "live": schema.live,
        "embedding_dim": schema.column("embedding_dim"),
        "embedding_space": schema.column("embedding_space"),
        "text_hash": schema.text_hash,
        "head": head_of(schema, "m.embedding"),
        "type": schema.form.type,
    }
