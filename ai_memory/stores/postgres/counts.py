"""Counts what a database holds: memories, namespaces, the spaces of its vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.memory_values import LeftBehind, NamespaceCount, SpaceCount, Totals
from ai_memory.stores.postgres.names import storable
from ai_memory.stores.postgres.tables import has_table
from ai_memory.stores.postgres.which_rows import own, served

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store

TOTALS = """
    SELECT count(*), count(*) FILTER (WHERE m.live), count(m.embedding), count(*) FILTER (WHERE m.id IS NULL),
        count(*) FILTER (WHERE m.encrypted_envelope IS NOT NULL AND m.content = '')
    FROM {rows} AS m
"""
BY_NAMESPACE = """
    SELECT m.namespace, count(*), count(*) FILTER (WHERE m.live), count(m.embedding) FROM {rows} AS m
    GROUP BY m.namespace ORDER BY m.namespace
"""
BY_SPACE = """
    SELECT coalesce(m.embedding_space, f.space), coalesce(m.embedding_dim, f.dim), count(*)
    FROM {rows} AS m LEFT JOIN embedding_fingerprint AS f ON f.id = m.recorded_target
    WHERE m.embedding IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""
HAS_ENCRYPTED = """
    SELECT EXISTS (
        SELECT 1 FROM (
            SELECT m.encrypted_envelope FROM {rows} AS m WHERE m.namespace = %(namespace)s
            ORDER BY m.place DESC LIMIT 1000
        ) AS newest WHERE encrypted_envelope IS NOT NULL
    )
"""
IN_QUARANTINE = "SELECT memory_id FROM reembed_quarantine"
ARCHIVE = "archived_memories"
# Those of the schema in which the memories stand.
TABLES = """
    SELECT c.relname FROM pg_class AS c
    WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('memories')) AND c.relkind = 'r'
        AND c.relname <> ALL(ARRAY['memories', 'memory_links', 'schema_version', 'archived_memories'])
    ORDER BY c.relname
"""
COUNT = "SELECT count(*) FROM archived_memories"
HAS_ROWS = "SELECT EXISTS (SELECT 1 FROM {table})"


class Counts(Frozen):
    """See `stores.memory_port_reading.Counts`."""

    store: Store

    def totals(self) -> Totals:
        """See the port."""
        return Totals(*self.store.db.execute(TOTALS.format(rows=served(self.store)))[0])

    def namespaces(self) -> list[NamespaceCount]:
        """See the port."""
        found = self.store.db.execute(BY_NAMESPACE.format(rows=served(self.store)))
        return [NamespaceCount(*row) for row in found]

    def spaces(self) -> list[SpaceCount]:
        """See the port."""
        return [SpaceCount(*row) for row in self.store.db.execute(BY_SPACE.format(rows=served(self.store)))]

    def not_vectors(self) -> set[bytes]:
        """See the port; a column of vectors holds nothing else."""
        return set()

    def odd_expiries(self) -> list[tuple[str | None, str]]:
        """See the port; a column of times holds nothing else."""
        return []

    def has_encrypted(self, namespace: str) -> bool:
        """See the port; the newest are those that are stored last in the table."""
        sql = HAS_ENCRYPTED.format(rows=own(self.store))
        return storable(namespace) and bool(self.store.db.value(sql, {"namespace": namespace}))

    def in_quarantine(self) -> set[bytes]:
        """See the port."""
        return {row[0].encode() for row in self.store.db.execute(IN_QUARANTINE)}

    def left_behind(self) -> LeftBehind:
        """See the port."""
        archived = int(self.store.db.value(COUNT)) if has_table(self.store.db, ARCHIVE) else 0
        tables = [row[0] for row in self.store.db.execute(TABLES)]
        return LeftBehind(
            archived, [name for name in tables if self.store.db.value(HAS_ROWS.format(table=quoted(name)))]
        )
