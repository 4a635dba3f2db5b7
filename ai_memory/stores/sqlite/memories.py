"""Reads single memories: every column that a file has, but those of the vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.records import OF_VECTOR, Memory, Value
from ai_memory.stores.memory_values import Named
from ai_memory.stores.sqlite.references import BROKEN_REFERENCE, referring_rows
from ai_memory.stores.sqlite.rows import Rows
from ai_memory.stores.sqlite.which_rows import served

if TYPE_CHECKING:
    from ai_memory.errors import StatementRefused
    from ai_memory.stores.memory_values import Column
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.sqlite.connection import Binding

TABLE = "memories"
ATOMS = "SELECT count(*) FROM memories WHERE atom_of = CAST(? AS TEXT)"
ORPHANS = """
    SELECT CAST(m.id AS BLOB) FROM memories AS m
    WHERE m.atom_of IS NOT NULL AND NOT EXISTS (SELECT 1 FROM memories AS parent WHERE parent.id = m.atom_of)
"""
NAMED = """
    SELECT CAST(id AS BLOB), CAST(namespace AS BLOB), CAST(title AS BLOB) FROM main.memories
    WHERE typeof(id) = 'text' AND {condition} ORDER BY id COLLATE BINARY LIMIT :most
"""
OF_TITLE = "title COLLATE BINARY = CAST(:name AS TEXT)"
# The range is for an index, the bytes are for certain: whatever the encoding of the file.
BEGINNING = "id COLLATE BINARY >= CAST(:name AS TEXT) AND substr(CAST(id AS BLOB), 1, length(:name)) = :name"
HAS_VECTOR = "SELECT embedding IS NOT NULL FROM {rows} WHERE id = CAST(? AS TEXT)"


class Memories(Frozen):
    """See `stores.memory_port_reading.MemoryReader`; `rows` has every column that is stored but the vector's."""

    store: Store
    rows: Rows

    @classmethod
    def of(cls, store: Store, triggered: dict[str, frozenset[str]] | None = None) -> Memories:
        """Return the memories of `store`; see `Rows` for `triggered`."""
        return cls(store, Rows.of(store, TABLE, key=("id",), without=OF_VECTOR, triggered=triggered))

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
        codec = self.store.codec
        bindings: dict[str, Binding] = {"name": codec.bound(name), "most": most}
        found = self.store.db.execute(NAMED.format(condition=condition), bindings) if name else []
        return [Named(*(codec.name(value or b"") for value in row)) for row in found]

    def has_vector(self, memory_id: str) -> bool:
        """See the port."""
        return bool(
            self.store.db.value(HAS_VECTOR.format(rows=served(self.store)), (self.store.codec.bound(memory_id),))
        )

    def atoms(self, memory_id: str) -> int:
        """See the port."""
        if "atom_of" not in self.columns:
            return 0
        return int(self.store.db.value(ATOMS, (self.store.codec.bound(memory_id),)))

    def orphans(self) -> list[str]:
        """See the port."""
        found = self.store.db.execute(ORPHANS) if "atom_of" in self.columns else []
        return [self.store.codec.name(row[0]) for row in found if row[0] is not None]

    def referring(self, memory_id: str, refusal: StatementRefused) -> dict[str, int]:
        """See the port."""
        return referring_rows(self.store, memory_id) if BROKEN_REFERENCE in refusal.words else {}

    def refusals(self) -> dict[str, str]:
        """See the port and `Rows.refusals`."""
        return self.rows.refusals(["content", *self.store.schema.of_vector])
