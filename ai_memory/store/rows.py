"""Reads and writes whole rows of one table: every column by its name, every value with the type it has in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ai_memory.errors import StatementRefused
from ai_memory.records import Value
from ai_memory.store.connection import Binding
from ai_memory.store.opening import Store
from ai_memory.store.text import quoted

COLUMNS = """
    SELECT name, "notnull", coalesce(upper(dflt_value), 'NULL') <> 'NULL' FROM pragma_table_xinfo(?) WHERE hidden = 0
"""
SELECT = "SELECT {columns} FROM main.{table}"
TEXT_AS_BYTES = """
    CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) ELSE {column} END, typeof({column}) = 'text'
"""
IN_ORDER = " ORDER BY rowid"
INSERT = "INSERT INTO main.{table} ({names}) VALUES ({values})"
UPDATE = "UPDATE main.{table} SET {assignments}"
DELETE = "DELETE FROM main.{table}"

Row = dict[str, Value]
_Marked = tuple[list[str], list[str], dict[str, Binding]]
"""The quoted names of some columns, a mark for the value of each, and what to bind to the marks."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a table declares of a column: whether it must not be NULL, and whether what is left out is not NULL."""

    required: bool
    has_default: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table of an open store; no `columns` where the file has no such table."""

    store: Store
    table: str
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, store: Store, table: str, *, without: frozenset[str] = frozenset()) -> Rows:
        """Return the rows of `table`, generated columns and those of `without` left out."""
        found = store.db.execute(COLUMNS, (table,))
        return cls(store, table, {name: Column(*map(bool, rest)) for name, *rest in found if name not in without})

    def read(self, where: Mapping[str, Value]) -> list[Row]:
        """Return the rows with these values."""
        condition, bindings = self._where(where)
        return [self._row(row) for row in self.store.db.execute(self._select() + condition, bindings)]

    def stream(self, where: Mapping[str, Value]) -> Iterator[Row]:
        """Yield the rows with these values, all where there are none, in the order they were stored."""
        condition, bindings = self._where(where)
        for row in self.store.db.stream(self._select() + condition + IN_ORDER, bindings):
            yield self._row(row)

    def told(self, row: Mapping[str, Value]) -> Row:
        """Return what must be said of a row: all but the NULLs that a new row has where nothing is said."""
        return {name: value for name, value in row.items() if value is not None or self.columns[name].has_default}

    def insert(self, row: Mapping[str, Value]) -> None:
        """Store a new row of the columns given; inside a transaction.

        Raises:
            StatementRefused: the database does not take it.
        """
        names, marks, bindings = self._marked(row)
        sql = INSERT.format(table=quoted(self.table), names=", ".join(names), values=", ".join(marks))
        self._change(sql, bindings)

    def update(self, where: Mapping[str, Value], row: Mapping[str, Value]) -> None:
        """Change the columns given of the row with the values of `where`; inside a transaction.

        Raises:
            StatementRefused: the database does not take it.
        """
        names, marks, bindings = self._marked(row)
        assignments = ", ".join(f"{name} = {mark}" for name, mark in zip(names, marks, strict=True))
        condition, more = self._where(where)
        self._change(UPDATE.format(table=quoted(self.table), assignments=assignments) + condition, {**bindings, **more})

    def delete(self, where: Mapping[str, Value]) -> bool:
        """Delete the rows with these values; inside a transaction. Return whether there were any."""
        condition, bindings = self._where(where)
        return self.store.db.change(DELETE.format(table=quoted(self.table)) + condition, bindings) > 0

    def _change(self, sql: str, bindings: Mapping[str, Binding]) -> None:
        if not self.store.db.change(sql, bindings):
            # A trigger with RAISE(IGNORE), or one that put something else in the row's place.
            words = f"a trigger of the table {self.table} leaves the row out"
            raise StatementRefused(f"{self.store.db.path}: {words}.", words=words)

    def _select(self) -> str:
        # Text is read as bytes: asked for as text, one invalid byte would abort the statement.
        columns = ", ".join(TEXT_AS_BYTES.format(column=quoted(name)) for name in self.columns)
        return SELECT.format(columns=columns, table=quoted(self.table))

    def _row(self, row: Sequence[Value]) -> Row:
        name = self.store.codec.name
        pairs = zip(self.columns, row[::2], row[1::2], strict=True)
        return {
            column: name(value) if is_text and isinstance(value, bytes) else value for column, value, is_text in pairs
        }

    def _where(self, values: Mapping[str, Value]) -> tuple[str, dict[str, Binding]]:
        names, marks, bindings = self._marked(values, "known")
        condition = " AND ".join(f"{name} IS {mark}" for name, mark in zip(names, marks, strict=True))
        return (f" WHERE {condition}" if condition else ""), bindings

    def _marked(self, values: Mapping[str, Value], kind: str = "value") -> _Marked:
        bound = self.store.codec.bound
        names: list[str] = []
        marks: list[str] = []
        bindings: dict[str, Binding] = {}
        for place, (name, value) in enumerate(values.items()):
            key, text = f"{kind}_{place}", isinstance(value, str)
            names.append(quoted(name))
            marks.append(f"CAST(:{key} AS TEXT)" if text else f":{key}")
            bindings[key] = bound(value) if isinstance(value, str) else value
        return names, marks, bindings
