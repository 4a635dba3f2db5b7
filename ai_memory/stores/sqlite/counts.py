"""Counts what a file holds: memories, namespaces, the spaces of its vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.stores.sqlite.expiry import IN_UTC
from ai_memory.stores.sqlite.file import log_bytes, look

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store

TOTALS = """
    SELECT count(*), coalesce(sum(live), 0), count(embedding), coalesce(sum(typeof(id) <> 'text'), 0),
           coalesce(sum(encrypted_envelope IS NOT NULL AND length(content) = 0), 0)
    FROM memory_row
"""
BY_NAMESPACE = """
    SELECT CAST(namespace AS BLOB), count(*), sum(live), count(embedding) FROM memory_row
    GROUP BY namespace ORDER BY namespace
"""
BY_SPACE = """
    SELECT CAST(coalesce(m.embedding_space, f.space) AS BLOB),
           CASE WHEN typeof(coalesce(m.embedding_dim, f.dim)) = 'integer' THEN coalesce(m.embedding_dim, f.dim) END,
           count(*)
    FROM memory_row AS m
    LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id
    LEFT JOIN embedding_fingerprint AS f ON f.id = p.fingerprint_id
    WHERE m.embedding IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""
ODD_EXPIRIES = f"""
    SELECT CAST(id AS BLOB), CAST(expires_at AS BLOB) FROM memory_row
    WHERE expires_at IS NOT NULL AND NOT {IN_UTC} ORDER BY row_number
"""
NOT_A_VECTOR = """
    SELECT CAST(id AS BLOB) FROM memory_row
    WHERE live AND embedding IS NOT NULL AND typeof(embedding) <> 'blob' AND typeof(id) = 'text'
"""

IN_QUARANTINE = "SELECT CAST(memory_id AS BLOB) FROM reembed_quarantine"


@dataclass(frozen=True, slots=True)
class Totals:
    """Memories in the file; `live` are neither expired nor out of life, `without_id` nobody can address."""

    memories: int
    live: int
    with_vector: int
    without_id: int
    encrypted: int


@dataclass(frozen=True, slots=True)
class NamespaceCount:
    """Memories of one namespace."""

    namespace: str
    memories: int
    live: int
    with_vector: int


@dataclass(frozen=True, slots=True)
class SpaceCount:
    """Vectors that say they are of one space and width, by stamp or else by provenance; None: nothing says so."""

    space: str | None
    dim: int | None
    rows: int


def totals(store: Store) -> Totals:
    """Return the counts of the whole file."""
    return Totals(*store.db.execute(TOTALS)[0])


def namespaces(store: Store) -> list[NamespaceCount]:
    """Return the counts of each namespace, in SQLite's order."""
    return [NamespaceCount(store.codec.name(row[0]), *row[1:]) for row in store.db.execute(BY_NAMESPACE)]


def spaces(store: Store) -> list[SpaceCount]:
    """Return the spaces the stored vectors say they are of, the largest first."""
    found = store.db.execute(BY_SPACE)
    return [SpaceCount(None if space is None else store.codec.name(space), dim, rows) for space, dim, rows in found]


def not_vectors(store: Store) -> set[bytes]:
    """Return the ids, as bytes, of the live memories in whose `embedding` stands a text or a number."""
    return {row[0] for row in store.db.execute(NOT_A_VECTOR)}


def odd_expiries(store: Store) -> list[tuple[str | None, str]]:
    """Return (id, expires_at) of the memories whose `expires_at` is not RFC 3339 in UTC: readers disagree on them."""
    name = store.codec.name
    found = store.db.execute(ODD_EXPIRIES)
    return [(None if row_id is None else name(row_id), name(expires_at)) for row_id, expires_at in found]


def in_quarantine(store: Store) -> set[bytes]:
    """Return the ids, as bytes, of the memories in quarantine for any target, in force or not."""
    return {row[0] for row in store.db.execute(IN_QUARANTINE)}


def file_sizes(store: Store) -> dict[str, int]:
    """Return the bytes of the database file and of its write-ahead log."""
    found = look(store.db.path)
    return {"db_bytes": found.st_size if found else 0, "wal_bytes": log_bytes(store.db.path)}
