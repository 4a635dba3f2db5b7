"""Writes memories as another database has them: every column, the vector, and the record of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.errors import StatementRefused
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.sqlite.provenance import FORGET_ROW, set_records
from ai_memory.stores.sqlite.rows import LEAVES_OUT
from ai_memory.vectors.blob import head

if TYPE_CHECKING:
    from ai_memory.memory.records import Value
    from ai_memory.stores.memory_values import WholeMemory
    from ai_memory.stores.sqlite.base import Transaction
    from ai_memory.stores.sqlite.connection import Binding
    from ai_memory.stores.sqlite.provenance import Record
    from ai_memory.stores.sqlite.rows import Rows

PUT = """
    INSERT INTO main.memories ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {assignments}
"""

Shape = tuple[tuple[str, bool], ...]
"""The columns of a row, and which of them are text: what one statement writes."""


def put(transaction: Transaction, rows: Rows, memories: Sequence[WholeMemory]) -> None:
    """Store memories, each in the place of the one of its id; `rows` are those of the memories.

    Raises:
        StatementRefused: the database does not take one of them.
    """
    shapes: dict[Shape, list[Mapping[str, Value]]] = {}
    for each in memories:
        values = _values(transaction, rows, each)
        shapes.setdefault(tuple((name, isinstance(value, str)) for name, value in values.items()), []).append(values)
    for shape, alike in shapes.items():
        if transaction.db.change(_statement(shape), *(_bound(transaction, each) for each in alike)) != len(alike):
            words = f"a trigger of the table memories {LEAVES_OUT}"
            raise StatementRefused(f"{transaction.name}: {words}.", words=words)
    bound = transaction.codec.bound
    unrecorded = [(bound(str(each.values["id"])),) for each in memories if each.recorded is None]
    transaction.db.execute_many(FORGET_ROW, unrecorded)
    set_records(transaction, [each for each in (_record(transaction, memory) for memory in memories) if each])


def _values(transaction: Transaction, rows: Rows, memory: WholeMemory) -> dict[str, Value]:
    """Return what is written of a memory, by column."""
    given = {name: value for name, value in memory.values.items() if name in rows.columns}
    said = {name: value for name, value in given.items() if value is not None or not rows.columns[name].required}
    vector: dict[str, Value] = {
        "embedding": memory.blob,
        "embedding_dim": memory.dim,
        "embedding_space": memory.space,
    }
    return {**said, **{name: vector[name] for name in transaction.schema.of_vector}}


def _statement(shape: Shape) -> str:
    """Return the statement; a text is bound as bytes, which may be no valid text."""
    marks = [f"CAST(:v{place} AS TEXT)" if is_text else f":v{place}" for place, (_, is_text) in enumerate(shape)]
    names = [quoted(name) for name, _ in shape]
    assignments = ", ".join(f"{name} = excluded.{name}" for name in names)
    return PUT.format(names=", ".join(names), marks=", ".join(marks), assignments=assignments)


def _bound(transaction: Transaction, values: Mapping[str, Value]) -> dict[str, Binding]:
    bound = transaction.codec.bound
    return {
        f"v{place}": bound(value) if isinstance(value, str) else value for place, value in enumerate(values.values())
    }


def _record(transaction: Transaction, memory: WholeMemory) -> Record | None:
    recorded = memory.recorded
    if recorded is None:
        return None
    known = head(memory.blob or b"") if recorded.head is None else recorded.head
    stretch = recorded.target.stretch - recorded.proven
    memory_id = transaction.codec.bound(str(memory.values["id"]))
    return recorded.target.id, known, recorded.origin, stretch, memory_id, recorded.src
