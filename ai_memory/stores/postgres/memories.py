"""Reads single memories: every column that a database has, but those of the vector and those it generates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.records import OF_VECTOR, Memory, Value
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.memory_values import Named
from ai_memory.stores.postgres.names import storable
from ai_memory.stores.postgres.rows import Rows
from ai_memory.stores.postgres.which_rows import served

if TYPE_CHECKING:
    from ai_memory.errors import StatementRefused
    from ai_memory.stores.memory_values import Column
    from ai_memory.stores.postgres.base import Store

TABLE = "memories"
ATOMS = "SELECT count(*) FROM memories WHERE atom_of = %(id)s"
ORPHANS = """
    SELECT m.id FROM memories AS m
    WHERE m.atom_of IS NOT NULL AND NOT EXISTS (SELECT 1 FROM memories AS parent WHERE parent.id = m.atom_of)
"""
NAMED = """
    SELECT id, namespace, title FROM memories WHERE {condition} ORDER BY id COLLATE "C" LIMIT %(most)s
"""
OF_TITLE, BEGINNING = "title = %(name)s", "starts_with(id, %(name)s)"
HAS_VECTOR = "SELECT m.embedding IS NOT NULL FROM {rows} AS m WHERE m.id = %(id)s"
BROKEN_REFERENCE = "foreign key constraint"
"""Words of PostgreSQL where rows refer to what would not be there."""
FOREIGN_KEYS = """
    SELECT c.conrelid::regclass::text, r.relname, a.attname FROM pg_constraint AS c
    JOIN pg_class AS r ON r.oid = c.conrelid
    JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    WHERE c.contype = 'f' AND c.confrelid = to_regclass('memories') AND c.confdeltype IN ('a', 'r')
        AND array_length(c.conkey, 1) = 1
    ORDER BY 1, 3
"""
REFERRING = "SELECT count(*) FROM {table} AS c WHERE c.{column} = %(id)s"


class Memories(Frozen):
    """See `stores.memory_port_reading.MemoryReader`; `rows` has every column that is stored but the vector's."""

    store: Store
    rows: Rows

    @classmethod
    def of(cls, store: Store) -> Memories:
        """Return the memories of `store`."""
        return cls(store, Rows.of(store, TABLE, key=("id",), without=OF_VECTOR))

    @property
    def columns(self) -> Mapping[str, Column]:
        """See the port."""
        return self.rows.columns

    def get(self, memory_id: Value) -> Memory | None:
        """See the port."""
        return next(map(Memory, self.rows.read({"id": memory_id})), None)

    def titled(self, title: Value, namespace: Value) -> Memory | None:
        """See the port."""
        return next(map(Memory, self.rows.read({"title": title, "namespace": namespace})), None)

    def meant(self, name: str, *, most: int) -> list[Named]:
        """See the port."""
        return self._named(OF_TITLE, name, most) or self._named(BEGINNING, name, most)

    def _named(self, condition: str, name: str, most: int) -> list[Named]:
        sql = NAMED.format(condition=condition)
        found = self.store.db.execute(sql, {"name": name, "most": most}) if name and storable(name) else []
        return [Named(*row) for row in found]

    def has_vector(self, memory_id: str) -> bool:
        """See the port."""
        if not storable(memory_id):
            return False
        return bool(self.store.db.value(HAS_VECTOR.format(rows=served(self.store)), {"id": memory_id}))

    def atoms(self, memory_id: str) -> int:
        """See the port."""
        if "atom_of" not in self.columns or not storable(memory_id):
            return 0
        return int(self.store.db.value(ATOMS, {"id": memory_id}))

    def orphans(self) -> list[str]:
        """See the port."""
        return [str(row[0]) for row in self.store.db.execute(ORPHANS)] if "atom_of" in self.columns else []

    def referring(self, memory_id: str, refusal: StatementRefused) -> dict[str, int]:
        """See the port."""
        found: dict[str, int] = {}
        if BROKEN_REFERENCE not in refusal.words or not storable(memory_id):
            return found
        for table, name, column in self.store.db.execute(FOREIGN_KEYS):
            sql = REFERRING.format(table=table, column=quoted(column))
            if rows := int(self.store.db.value(sql, {"id": memory_id})):
                found[name] = found.get(name, 0) + rows
        return found

    def refusals(self) -> dict[str, str]:
        """See the port and `Rows.refusals`."""
        return self.rows.refusals()
