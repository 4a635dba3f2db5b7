"""Writes memories as another database has them: every column, the vector, and the record of it.

By one binary COPY into a table of the connection's own, where all but bytes and vectors are texts: from there one
statement makes of each text what its column has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, StatementRefused
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.postgres.binary_copy import binary_copy
from ai_memory.stores.postgres.names import storable
from ai_memory.stores.postgres.rows import LEAVES_OUT, TIMES
from ai_memory.vectors.blob import head

if TYPE_CHECKING:
    from ai_memory.memory.records import Value
    from ai_memory.stores.memory_values import WholeMemory
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.postgres.binary_copy import Field
    from ai_memory.stores.postgres.rows import Rows

LAY = """
    CREATE TEMP TABLE IF NOT EXISTS whole_memory (
        shape TEXT, {columns}, embedding {type}, embedding_dim BIGINT, embedding_space TEXT,
        target BIGINT, src BYTEA, head BYTEA, origin TEXT, stretch BIGINT
    ) ON COMMIT DELETE ROWS;
    DELETE FROM whole_memory;
"""
COPY = "COPY whole_memory FROM STDIN (FORMAT binary)"
PUT = """
    INSERT INTO memories ({names}) SELECT {values} FROM whole_memory AS w WHERE w.shape = %(shape)s
    ON CONFLICT (id) DO UPDATE SET {assignments}
"""
FORGET = "DELETE FROM embedding_provenance AS p USING whole_memory AS w WHERE p.memory_id = w.{id} AND w.target IS NULL"
RECORD = """
    INSERT INTO embedding_provenance (memory_id, fingerprint_id, src, head, origin, stretch)
    SELECT w.{id}, w.target, w.src, w.head, w.origin, w.stretch FROM whole_memory AS w WHERE w.target IS NOT NULL
    ON CONFLICT (memory_id) DO UPDATE SET
        fingerprint_id = excluded.fingerprint_id, src = excluded.src, head = excluded.head, origin = excluded.origin,
        stretch = excluded.stretch
"""
OF_VECTOR = {
    "embedding": "w.embedding",
    "embedding_dim": "w.embedding_dim::integer",
    "embedding_space": "w.embedding_space",
}
BYTES = "bytea"
TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[ T]\d\d:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?)? ?(?:Z|[+-]\d\d(?::?\d\d)?)?", re.IGNORECASE | re.ASCII
)
"""What is taken for a time. The server makes instants also of words: of "now" another one with each start."""


def put(transaction: Transaction, rows: Rows, memories: Sequence[WholeMemory]) -> None:
    """Store memories, each in the place of the one of its id; `rows` are those of the memories.

    Raises:
        StatementRefused: the database does not take one of them.
    """
    db, page = transaction.db, _Page(transaction, rows)
    laid = [page.laid(each) for each in memories]
    db.run(LAY.format(columns=page.columns, type=transaction.schema.form.type))
    db.copy_in(COPY, binary_copy(laid))
    shapes = dict.fromkeys(str(row[0]) for row in laid)
    if sum(db.change(page.statement(shape), {"shape": shape}) for shape in shapes) != len(memories):
        raise page.refused(f"a trigger of the table memories {LEAVES_OUT}")
    memory_id = page.marks["id"]
    db.execute(FORGET.format(id=memory_id))
    db.execute(RECORD.format(id=memory_id))


@dataclass(frozen=True)
class _Page:
    """What makes rows of the laid table of memories, and statements that store these in the table of `rows`."""

    store: Store
    rows: Rows

    @cached_property
    def marks(self) -> dict[str, str]:
        """The column of the laid table for each of the memories': its own name may be any, also one of ours."""
        return {name: f"c{place}" for place, name in enumerate(self.rows.columns)}

    def _is_bytes(self, name: str) -> bool:
        return self.rows.types[name] == BYTES

    @property
    def columns(self) -> str:
        """SQL that declares these columns."""
        return ", ".join(f"{mark} {'BYTEA' if self._is_bytes(name) else 'TEXT'}" for name, mark in self.marks.items())

    def statement(self, shape: str) -> str:
        """Return what stores the memories of which the columns of a shape are said."""
        values = {name: self._value(name, mark) for name, mark in self.marks.items() if mark in shape.split()}
        values |= {name: OF_VECTOR[name] for name in self.store.schema.of_vector}
        names = [quoted(name) for name in values]
        assignments = ", ".join(f"{name} = excluded.{name}" for name in names)
        return PUT.format(names=", ".join(names), values=", ".join(values.values()), assignments=assignments)

    def _value(self, name: str, mark: str) -> str:
        kind = self.rows.types[name]
        return f"w.{mark}" if kind in ("text", BYTES) else f"w.{mark}::{kind}"

    def laid(self, memory: WholeMemory) -> tuple[Field, ...]:
        """Return a memory as a row of the laid table.

        Raises:
            StatementRefused: it cannot stand there.
        """
        given = [name for name in self.marks if name in memory.values]
        said = [name for name in given if memory.values[name] is not None or not self.rows.columns[name].required]
        shape = " ".join(self.marks[name] for name in said)
        return (
            shape,
            *(self._field(name, memory.values.get(name)) for name in self.marks),
            self._vector(memory.blob),
            memory.dim,
            memory.space,
            *self._record(memory),
        )

    def _field(self, name: str, value: Value) -> Field:
        if value is None or (self._is_bytes(name) and isinstance(value, bytes)):
            return value
        if isinstance(value, bytes) or self._is_bytes(name):
            raise self.refused(f"{name} is {'bytes' if isinstance(value, bytes) else 'not bytes'}")
        text = value if isinstance(value, str) else repr(value)
        if self.rows.types[name] in TIMES and not TIME.fullmatch(text):
            raise self.refused(f"{name} is no time")
        if not storable(text):
            raise self.refused(f"{name} has a NUL, or a byte that is not UTF-8")
        return text

    def _vector(self, blob: bytes | None) -> bytes | None:
        if blob is None:
            return None
        try:
            return self.store.schema.form.received(blob)
        except DataRefused as error:
            raise self.refused(error.what.rstrip(".")) from error

    def _record(self, memory: WholeMemory) -> Iterator[Field]:
        recorded, form = memory.recorded, self.store.schema.form
        if recorded is None:
            yield from (None,) * 5
            return
        yield recorded.target.id
        yield recorded.src
        # Of the vector as it is read back: an old one of a file has no header byte there.
        yield head(form.blob(self._vector(memory.blob)) or b"") if recorded.head is None else recorded.head
        yield recorded.origin
        yield recorded.target.stretch - recorded.proven

    def refused(self, words: str) -> StatementRefused:
        """Return the error of what the database cannot keep, in words."""
        return StatementRefused(f"{self.store.name} cannot keep it: {words}.", words=words)
