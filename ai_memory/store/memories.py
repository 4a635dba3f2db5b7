"""Reads, writes and deletes single memories: every column a file has, but those of the vector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ai_memory.records import Memory, Value
from ai_memory.store.connection import quoted
from ai_memory.store.opening import Store

COLUMNS = "SELECT name, \"notnull\" FROM pragma_table_xinfo('memories') WHERE hidden = 0"
OF_VECTOR = frozenset({"embedding", "embedding_dim", "embedding_space"})
SELECT = "SELECT {columns} FROM main.memories"
TEXT_AS_BYTES = """
    CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) ELSE {column} END, typeof({column}) = 'text'
"""
BY_ID = " WHERE id = CAST(? AS TEXT)"
BY_TITLE = " WHERE title = CAST(? AS TEXT) AND namespace = CAST(? AS TEXT)"
BY_NAMESPACE = " WHERE namespace = CAST(? AS TEXT)"
IN_ORDER = " ORDER BY rowid"
INSERT = "INSERT INTO memories ({names}) VALUES ({values})"
UPDATE = "UPDATE memories SET {assignments} WHERE id = CAST(:id_of_row AS TEXT)"
CLEAR_VECTOR = "UPDATE memories SET {assignments} WHERE id = CAST(? AS TEXT)"
FORGET = (
    "DELETE FROM embedding_provenance WHERE memory_id = CAST(? AS TEXT)",
    "DELETE FROM reembed_quarantine WHERE memory_id = CAST(? AS TEXT)",
)
DELETE = "DELETE FROM memories WHERE id = CAST(? AS TEXT)"
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
    FROM memory_row
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
    """The memories of an open store; `columns` says of each that is stored whether it must not be NULL."""

    store: Store
    columns: Mapping[str, bool]

    @classmethod
    def of(cls, store: Store) -> Memories:
        """Return the memories of `store`."""
        found = {name: bool(required) for name, required in store.db.execute(COLUMNS) if name not in OF_VECTOR}
        return cls(store, found)

    def get(self, memory_id: str) -> Memory | None:
        """Return the memory of that id, None where there is none."""
        return next(self._read(BY_ID, memory_id), None)

    def titled(self, title: str, namespace: str) -> Memory | None:
        """Return the memory of that title in that namespace, None where there is none."""
        return next(self._read(BY_TITLE, title, namespace), None)

    def all(self, namespace: str | None) -> Iterator[Memory]:
        """Yield all memories, or those of one namespace, in the order they were stored; inside a snapshot."""
        where, names = (BY_NAMESPACE, [namespace]) if namespace is not None else ("", [])
        sql = SELECT.format(columns=self._selected()) + where + IN_ORDER
        for row in self.store.db.stream(sql, [self.store.codec.bound(name) for name in names]):
            yield self._memory(row)

    def insert(self, values: Mapping[str, Value]) -> None:
        """Store a new memory of the columns given; inside a transaction."""
        names = ", ".join(map(quoted, values))
        marks = ", ".join(_mark(place, value) for place, value in enumerate(values.values()))
        self.store.db.execute(INSERT.format(names=names, values=marks), self._bound(values))

    def update(self, memory_id: str, values: Mapping[str, Value]) -> None:
        """Change the columns given of one memory; inside a transaction."""
        marks = (_mark(place, value) for place, value in enumerate(values.values()))
        assignments = ", ".join(f"{quoted(name)} = {mark}" for name, mark in zip(values, marks, strict=True))
        bindings = {**self._bound(values), "id_of_row": self.store.codec.bound(memory_id)}
        self.store.db.execute(UPDATE.format(assignments=assignments), bindings)

    def clear_vector(self, memory_id: str) -> None:
        """Take a memory's vector, its stamp and its provenance away; inside a transaction."""
        present = sorted(OF_VECTOR & self.store.schema.columns)
        assignments = ", ".join(f"{name} = NULL" for name in present)
        bound = (self.store.codec.bound(memory_id),)
        self.store.db.execute(CLEAR_VECTOR.format(assignments=assignments), bound)
        self.store.db.execute(FORGET[0], bound)

    def delete(self, memory_id: str) -> bool:
        """Delete a memory and what we know of its vector; inside a transaction. Return whether it was there."""
        bound = (self.store.codec.bound(memory_id),)
        for statement in FORGET:
            self.store.db.execute(statement, bound)
        return self.store.db.change(DELETE, bound) > 0

    def atoms(self, memory_id: str) -> int:
        """Return how many memories are atoms of that one (their `atom_of` names it)."""
        if "atom_of" not in self.columns:
            return 0
        return int(self.store.db.value(ATOMS, (self.store.codec.bound(memory_id),)))

    def defer_references(self) -> None:
        """Let this transaction store atoms before the memories they are atoms of."""
        self.store.db.execute(DEFER_FOREIGN_KEYS)

    def orphans(self) -> list[str]:
        """Return the ids of the memories whose `atom_of` names no memory."""
        found = self.store.db.execute(ORPHANS) if "atom_of" in self.columns else []
        return [self.store.codec.name(row[0]) for row in found if row[0] is not None]

    def _read(self, where: str, *names: str) -> Iterator[Memory]:
        sql = SELECT.format(columns=self._selected()) + where
        rows = self.store.db.execute(sql, [self.store.codec.bound(name) for name in names])
        return (self._memory(row) for row in rows)

    def _selected(self) -> str:
        # Text is read as bytes: asked for as text, one invalid byte would abort the statement.
        return ", ".join(TEXT_AS_BYTES.format(column=quoted(name)) for name in self.columns)

    def _memory(self, row: Sequence[Value]) -> Memory:
        pairs = zip(self.columns, row[::2], row[1::2], strict=True)
        return Memory({name: self._value(value, is_text=bool(is_text)) for name, value, is_text in pairs})

    def _value(self, value: Value, *, is_text: bool) -> Value:
        return self.store.codec.name(value) if is_text and isinstance(value, bytes) else value

    def _bound(self, values: Mapping[str, Value]) -> dict[str, Value]:
        bound = self.store.codec.bound
        return {
            f"value_{place}": bound(value) if isinstance(value, str) else value
            for place, value in enumerate(values.values())
        }


def summaries(store: Store, namespace: str | None) -> Iterator[Summary]:
    """Yield one summary a memory, of all or of one namespace, in the order they were stored."""
    where, names = (BY_NAMESPACE, [namespace]) if namespace is not None else ("", [])
    sql = SUMMARY + where + " ORDER BY row_number"
    name = store.codec.name
    for row in store.db.stream(sql, [store.codec.bound(each) for each in names]):
        texts = [name(value or b"") for value in row[1:4]]
        yield Summary(
            None if row[0] is None else name(row[0]), texts[0], texts[1], texts[2], bool(row[4]), bool(row[5])
        )


def lacking_vectors(store: Store, *, after: int, limit: int) -> list[tuple[int, str, str]]:
    """Return (row number, id, namespace) of the next live memories without a vector, behind row number `after`."""
    found = store.db.execute(LACKING, (after, limit))
    return [(number, store.codec.name(row_id), store.codec.name(namespace)) for number, row_id, namespace in found]


def has_vector(store: Store, memory_id: str) -> bool:
    """Say whether a memory is there and has a vector, whatever it is worth."""
    return bool(store.db.value(HAS_VECTOR, (store.codec.bound(memory_id),)))


def _mark(place: int, value: Value) -> str:
    return f"CAST(:value_{place} AS TEXT)" if isinstance(value, str) else f":value_{place}"
