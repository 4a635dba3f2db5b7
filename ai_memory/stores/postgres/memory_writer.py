"""Writes and deletes single memories: every column that a database has, but those of the vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.memory_port_writing import NOTHING
from ai_memory.stores.postgres import previous, staged, whole

if TYPE_CHECKING:
    from ai_memory.memory.records import Value
    from ai_memory.stores.memory_values import WholeMemory
    from ai_memory.stores.postgres.base import Transaction
    from ai_memory.stores.postgres.memories import Memories

FORGET_RECORD = "DELETE FROM embedding_provenance WHERE memory_id = %(id)s"
LEAVE_QUARANTINE = "DELETE FROM reembed_quarantine WHERE memory_id = %(id)s"
REMEMBER_NAMESPACE = """
    INSERT INTO reembed_namespace (namespace) SELECT namespace FROM memories WHERE id = %(id)s ON CONFLICT DO NOTHING
"""
DEFER = "SET CONSTRAINTS ALL DEFERRED"


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
        altered = self.memories.rows.update(self.inner, {"id": memory_id}, values, beside=beside)
        if isinstance(memory_id, str) and not keeps_vector:
            _take_vector(self.inner, memory_id)
        return altered

    def put_whole(self, memories: Sequence[WholeMemory]) -> None:
        """See the port."""
        whole.put(self.inner, self.memories.rows, memories)

    def delete(self, memory_id: str) -> bool:
        """See the port."""
        _remember_namespace(self.inner, memory_id)
        _forget(self.inner, memory_id)
        previous.drop_of_memory(self.inner, memory_id)
        return self.memories.rows.delete(self.inner, {"id": memory_id})

    def defer_references(self) -> None:
        """See the port."""
        self.inner.db.execute(DEFER)

    def is_gone(self, memory_id: str) -> bool:
        """See the port."""
        # Mostly no trigger is there: then nothing is looked up.
        return self.memories.rows.fires("INSERT", "UPDATE", "DELETE") and self.memories.get(memory_id) is None


TAKE_VECTOR = "UPDATE memories SET {columns} WHERE id = %(id)s"


def _take_vector(transaction: Transaction, memory_id: str) -> None:
    columns = ", ".join(f"{name} = NULL" for name in transaction.schema.of_vector)
    transaction.db.execute(TAKE_VECTOR.format(columns=columns), {"id": memory_id})
    transaction.db.execute(FORGET_RECORD, {"id": memory_id})
    staged.drop_of_memory(transaction, memory_id)


def _forget(transaction: Transaction, memory_id: str) -> None:
    transaction.db.execute(FORGET_RECORD, {"id": memory_id})
    staged.drop_of_memory(transaction, memory_id)
    transaction.db.execute(LEAVE_QUARANTINE, {"id": memory_id})


def _remember_namespace(transaction: Transaction, memory_id: Value) -> None:
    if isinstance(memory_id, str):
        transaction.db.execute(REMEMBER_NAMESPACE, {"id": memory_id})
