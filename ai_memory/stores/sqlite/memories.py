"""Reads, writes and deletes single memories: every column a file has, but those of the vector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.memory.records import OF_VECTOR, Memory, Value
from ai_memory.stores.sqlite.namespaces import within
from ai_memory.stores.sqlite.provenance import forget_row
from ai_memory.stores.sqlite.rows import NOTHING, Column, Rows

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction

TABLE = "memories"
LEAVE_QUARANTINE = "DELETE FROM reembed_quarantine WHERE memory_id = CAST(? AS TEXT)"
REMEMBER_NAMESPACE = """
    INSERT OR IGNORE INTO reembed_namespace (namespace)
    SELECT namespace FROM main.memories WHERE id = CAST(? AS TEXT) AND typeof(namespace) = 'text'
"""
ATOMS = "SELECT count(*) FROM memories WHERE atom_of = CAST(? AS TEXT)"
ORPHANS = """
    SELECT CAST(m.id AS BLOB) FROM memories AS m
    WHERE m.atom_of IS NOT NULL AND NOT EXISTS (SELECT 1 FROM memories AS parent WHERE parent.id = m.atom_of)
"""
DEFER_FOREIGN_KEYS = "PRAGMA defer_foreign_keys = ON"
LACKING = """
    SELECT row_number, CAST(id AS BLOB), CAST(namespace AS BLOB) FROM memory_row
    WHERE row_number > ? AND embedding IS NULL AND live AND typeof(id) = 'text' ORDER BY row_number LIMIT ?
"""
HAS_VECTOR = "SELECT embedding IS NOT NULL FROM main.memories WHERE id = CAST(? AS TEXT)"
SUMMARY = """
    SELECT CAST(id AS BLOB), CAST(namespace AS BLOB), CAST(title AS BLOB), CAST(updated_at AS BLOB), live,
           embedding IS NOT NULL
    FROM memory_row WHERE {scope} ORDER BY row_number
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list of memories; `id` is None where the file has none."""

    id: str | None
    namespace: str
    title: str
    updated_at: str
    live: bool
    has_vector: bool


@dataclass(frozen=True, slots=True)
class Memories:
    """The memories of an open store: `rows` has every column that is stored but those of the vector."""

    store: Store
    rows: Rows

    @classmethod
    def of(cls, store: Store) -> Memories:
        """Return the memories of `store`."""
        return cls(store, Rows.of(store, TABLE, key=("id",), without=OF_VECTOR))

    @property
    def columns(self) -> Mapping[str, Column]:
        """What the file declares of each column."""
        return self.rows.columns

    def get(self, memory_id: Value) -> Memory | None:
        """Return the memory of that id, None where there is none."""
        return next(map(Memory, self.rows.read({"id": memory_id})), None)

    def titled(self, title: Value, namespace: Value) -> Memory | None:
        """Return the memory of that title in that namespace, None where there is none."""
        return next(map(Memory, self.rows.read({"title": title, "namespace": namespace})), None)

    def all(self, namespace: str | None) -> Iterator[Memory]:
        """Yield the memories that `within` takes, in the order they were stored; inside a snapshot."""
        return map(Memory, self.rows.stream(*within(self.store, namespace, "namespace")))

    def insert(
        self, transaction: Transaction, values: Mapping[str, Value], *, beside: Mapping[str, Value] = NOTHING
    ) -> tuple[str, ...]:
        """Store a new memory; see `Rows.insert`."""
        return self.rows.insert(transaction, values, beside=beside)

    def update(
        self,
        transaction: Transaction,
        memory_id: Value,
        values: Mapping[str, Value],
        *,
        beside: Mapping[str, Value] = NOTHING,
    ) -> tuple[str, ...]:
        """Change one memory; see `Rows.update`. The namespace that it leaves is remembered."""
        if "namespace" in values:
            _remember_namespace(transaction, memory_id)
        return self.rows.update(transaction, {"id": memory_id}, values, beside=beside)

    @property
    def no_vector(self) -> Mapping[str, Value]:
        """The columns of a memory that has no vector."""
        return dict.fromkeys(self.store.schema.of_vector)

    def forget_provenance(self, transaction: Transaction, memory_id: Value) -> None:
        """Take away what is known of a memory's vector."""
        if isinstance(memory_id, str):
            forget_row(transaction, memory_id)

    def refusals(self) -> dict[str, str]:
        """Return why no memory can be stored, given another content or deleted; see `Rows.refusals`."""
        return self.rows.refusals(["content", *self.no_vector])

    def delete(self, transaction: Transaction, memory_id: str) -> bool:
        """Delete a memory and what we know of its vector, and remember its namespace.

        Returns whether it is gone by that.

        Raises:
            StatementRefused: the database does not let it go.
            SchemaRefused: the database lets no memory be deleted.
        """
        _remember_namespace(transaction, memory_id)
        forget_row(transaction, memory_id)
        transaction.db.execute(LEAVE_QUARANTINE, (transaction.codec.bound(memory_id),))
        return self.rows.delete(transaction, {"id": memory_id})

    def atoms(self, memory_id: str) -> int:
        """Return how many memories are atoms of that one (their `atom_of` names it)."""
        if "atom_of" not in self.columns:
            return 0
        return int(self.store.db.value(ATOMS, (self.store.codec.bound(memory_id),)))

    def defer_references(self, transaction: Transaction) -> None:
        """Let this transaction store atoms before the memories they are atoms of."""
        transaction.db.execute(DEFER_FOREIGN_KEYS)

    def orphans(self) -> list[str]:
        """Return the ids of the memories whose `atom_of` names no memory."""
        found = self.store.db.execute(ORPHANS) if "atom_of" in self.columns else []
        return [self.store.codec.name(row[0]) for row in found if row[0] is not None]


def _remember_namespace(transaction: Transaction, memory_id: Value) -> None:
    if isinstance(memory_id, str):
        transaction.db.execute(REMEMBER_NAMESPACE, (transaction.codec.bound(memory_id),))


def summaries(store: Store, namespace: str | None) -> Iterator[Summary]:
    """Yield one summary a memory, of those that `within` takes, in the order they were stored."""
    scope, names = within(store, namespace, "namespace")
    name = store.codec.name
    for row in store.db.stream(SUMMARY.format(scope=scope), names):
        texts = [name(value or b"") for value in row[1:4]]
        yield Summary(
            None if row[0] is None else name(row[0]), texts[0], texts[1], texts[2], bool(row[4]), bool(row[5])
        )


def lacking_vectors(store: Store, *, after: int, limit: int) -> list[tuple[int, str, str]]:
    """Return (row number, id, namespace) of the next live memories without a vector, after row number `after`."""
    found = store.db.execute(LACKING, (after, limit))
    return [(number, store.codec.name(row_id), store.codec.name(namespace)) for number, row_id, namespace in found]


def has_vector(store: Store, memory_id: str) -> bool:
    """Return whether a memory is there and has a vector, whatever it is worth."""
    return bool(store.db.value(HAS_VECTOR, (store.codec.bound(memory_id),)))
