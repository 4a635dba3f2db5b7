"""Writes and deletes single memories: every column that a file has, but those of the vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.memory_port_writing import NOTHING
from ai_memory.stores.sqlite import previous, staged, whole
from ai_memory.stores.sqlite.provenance import forget_row

if TYPE_CHECKING:
    from ai_memory.memory.records import Value
    from ai_memory.stores.memory_values import WholeMemory
    from ai_memory.stores.sqlite.base import Transaction
    from ai_memory.stores.sqlite.memories import Memories

LEAVE_QUARANTINE = "DELETE FROM reembed_quarantine WHERE memory_id = CAST(? AS TEXT)"
REMEMBER_NAMESPACE = """
    INSERT OR IGNORE INTO reembed_namespace (namespace)
    SELECT namespace FROM main.memories WHERE id = CAST(? AS TEXT) AND typeof(namespace) = 'text'
"""
DEFER_FOREIGN_KEYS = "PRAGMA defer_foreign_keys = ON"


class MemoryWriter(Frozen):
    """See `stores.memory_port_writing.MemoryWriter`."""

    inner: Transaction
    memories: Memories

    def insert(self, values: Mapping[str, Value], *, beside: Mapping[str, Value] = NOTHING) -> tuple[str, ...]:
        """See the port."""
        return self.memories.rows.insert(self.inner, values, beside=beside)

    def update(
        self,
        memory_id: Value,
        values: Mapping[str, Value],
        *,
        beside: Mapping[str, Value] = NOTHING,
        keeps_vector: bool = True,
    ) -> tuple[str, ...]:
        """See the port."""
        if "namespace" in values:
            _remember_namespace(self.inner, memory_id)
        no_vector: Mapping[str, Value] = {} if keeps_vector else dict.fromkeys(self.inner.schema.of_vector)
        altered = self.memories.rows.update(self.inner, {"id": memory_id}, values, beside={**beside, **no_vector})
        if isinstance(memory_id, str) and not keeps_vector:
            forget_row(self.inner, memory_id)
            staged.drop_of_memory(self.inner, memory_id)
        return altered

    def put_whole(self, memories: Sequence[WholeMemory]) -> None:
        """See the port."""
        whole.put(self.inner, self.memories.rows, memories)

    def delete(self, memory_id: str) -> bool:
        """See the port."""
        _remember_namespace(self.inner, memory_id)
        forget_row(self.inner, memory_id)
        previous.drop_of_memory(self.inner, memory_id)
        staged.drop_of_memory(self.inner, memory_id)
        _leave_quarantine(self.inner, memory_id)
        return self.memories.rows.delete(self.inner, {"id": memory_id})

    def defer_references(self) -> None:
        """See the port."""
        self.inner.db.execute(DEFER_FOREIGN_KEYS)

    def is_gone(self, memory_id: str) -> bool:
        """See the port."""
        # Mostly no trigger writes the table: then nothing is looked up.
        rows = self.memories.rows
        return rows.table in rows.written_by_triggers and self.memories.get(memory_id) is None


def _leave_quarantine(transaction: Transaction, memory_id: str) -> None:
    transaction.db.execute(LEAVE_QUARANTINE, (transaction.codec.bound(memory_id),))


def _remember_namespace(transaction: Transaction, memory_id: Value) -> None:
    if isinstance(memory_id, str):
        transaction.db.execute(REMEMBER_NAMESPACE, (transaction.codec.bound(memory_id),))
