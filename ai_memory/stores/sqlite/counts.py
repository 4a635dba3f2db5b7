"""Counts what a file holds: memories, namespaces, the spaces of its vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.memory_values import LeftBehind, NamespaceCount, SpaceCount, Totals
from ai_memory.stores.sqlite.expiry import IN_UTC
from ai_memory.stores.sqlite.which_rows import judged, served

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store

TOTALS = """
    SELECT count(*), coalesce(sum(live), 0), count(embedding), coalesce(sum(typeof(id) <> 'text'), 0),
           coalesce(sum(encrypted_envelope IS NOT NULL AND length(content) = 0), 0)
    FROM {rows}
"""
BY_NAMESPACE = """
    SELECT CAST(namespace AS BLOB), count(*), sum(live), count(embedding) FROM {rows}
    GROUP BY namespace ORDER BY namespace
"""
BY_SPACE = """
    SELECT CAST(coalesce(m.embedding_space, f.space) AS BLOB),
           CASE WHEN typeof(coalesce(m.embedding_dim, f.dim)) = 'integer' THEN coalesce(m.embedding_dim, f.dim) END,
           count(*)
    FROM {rows} AS m LEFT JOIN embedding_fingerprint AS f ON f.id = m.recorded_target
    WHERE m.embedding IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""
ODD_EXPIRIES = f"""
    SELECT CAST(id AS BLOB), CAST(expires_at AS BLOB) FROM memory_row
    WHERE expires_at IS NOT NULL AND NOT {IN_UTC} ORDER BY row_number
"""
NOT_A_VECTOR = """
    SELECT CAST(id AS BLOB) FROM {rows}
    WHERE live AND embedding IS NOT NULL AND typeof(embedding) <> 'blob' AND typeof(id) = 'text'
"""

HAS_ENCRYPTED = """
    SELECT EXISTS (
        SELECT 1 FROM (
            SELECT encrypted_envelope FROM memory_row WHERE namespace = CAST(? AS TEXT)
            ORDER BY row_number DESC LIMIT 1000
        ) WHERE encrypted_envelope IS NOT NULL
    )
"""
IN_QUARANTINE = "SELECT CAST(memory_id AS BLOB) FROM reembed_quarantine"
ARCHIVE = "archived_memories"
TABLES = """
    SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
    AND name NOT IN ('memories', 'memory_links', 'schema_version') AND name NOT GLOB 'sqlite_*'
    AND name NOT GLOB 'reembed_*' AND name NOT GLOB 'embedding_*' ORDER BY name
"""
COUNT = "SELECT count(*) FROM main.{table}"
HAS_ROWS = "SELECT EXISTS (SELECT 1 FROM main.{table})"


class Counts(Frozen):
    """See `stores.memory_port_reading.Counts`."""

    store: Store

    def totals(self) -> Totals:
        """See the port."""
        return Totals(*self.store.db.execute(TOTALS.format(rows=served(self.store)))[0])

    def namespaces(self) -> list[NamespaceCount]:
        """See the port."""
        return [
            NamespaceCount(self.store.codec.name(row[0]), *row[1:])
            for row in self.store.db.execute(BY_NAMESPACE.format(rows=served(self.store)))
        ]

    def spaces(self) -> list[SpaceCount]:
        """See the port."""
        found = self.store.db.execute(BY_SPACE.format(rows=judged(self.store)))
        return [
            SpaceCount(None if space is None else self.store.codec.name(space), dim, rows) for space, dim, rows in found
        ]

    def not_vectors(self) -> set[bytes]:
        """See the port."""
        return {row[0] for row in self.store.db.execute(NOT_A_VECTOR.format(rows=served(self.store)))}

    def odd_expiries(self) -> list[tuple[str | None, str]]:
        """See the port."""
        name = self.store.codec.name
        found = self.store.db.execute(ODD_EXPIRIES)
        return [(None if row_id is None else name(row_id), name(expires_at)) for row_id, expires_at in found]

    def has_encrypted(self, namespace: str) -> bool:
        """See the port."""
        return bool(self.store.db.value(HAS_ENCRYPTED, (self.store.codec.bound(namespace),)))

    def in_quarantine(self) -> set[bytes]:
        """See the port."""
        return {row[0] for row in self.store.db.execute(IN_QUARANTINE)}

    def left_behind(self) -> LeftBehind:
        """See the port."""
        tables = [row[0] for row in self.store.db.execute(TABLES)]
        archived = int(self.store.db.value(COUNT.format(table=quoted(ARCHIVE)))) if ARCHIVE in tables else 0
        others = [
            name for name in tables if name != ARCHIVE and self.store.db.value(HAS_ROWS.format(table=quoted(name)))
        ]
        return LeftBehind(archived, others)
