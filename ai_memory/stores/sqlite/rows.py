"""Reads and writes whole rows of one table: every column by its name, every value with the type it has in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ai_memory.errors import SchemaRefused, StatementRefused, WordIndexUnusable
from ai_memory.frozen import Frozen, field
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.memory_port_writing import NOTHING
from ai_memory.stores.memory_values import Column
from ai_memory.stores.sqlite import triggers, word_index
from ai_memory.stores.sqlite.among import VALUES

if TYPE_CHECKING:
    from ai_memory.memory.records import Value
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Binding

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
LEAVES_OUT = "leaves the row out"
STORED, CHANGED, DELETED = "stored", "changed", "deleted"

Row: TypeAlias = "dict[str, Value]"
_Marked: TypeAlias = "tuple[list[str], list[str], dict[str, Binding]]"
"""The quoted names of some columns, a mark for the value of each, and what to bind to the marks."""


class Rows(Frozen):
    """The rows of one table of an open store, each named by its `key`; no `columns` where there is no such table.

    What was written is read back where triggers write that table, too: they may have undone it. `triggered` holds the
    tables that the triggers of each statement write; the tables that one transaction writes may share it.
    """

    store: Store
    table: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    triggered: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        store: Store,
        table: str,
        *,
        key: tuple[str, ...],
        without: frozenset[str] = frozenset(),
        triggered: dict[str, frozenset[str]] | None = None,
    ) -> Rows:
        """Return the rows of `table`, generated columns and those of `without` left out."""
        found = store.db.execute(COLUMNS, (table,))
        columns = {name: Column(*map(bool, rest)) for name, *rest in found if name not in without}
        return cls(store, table, key, columns, {} if triggered is None else triggered)

    def read(self, where: Mapping[str, Value]) -> list[Row]:
        """Return the rows with these values."""
        condition, bindings = self._where(where)
        return [self._row(row) for row in self.store.db.execute(self._select() + condition, bindings)]

    def stream(self, condition: str = "1", bindings: Mapping[str, Binding] = NOTHING) -> Iterator[Row]:
        """Yield the rows for which an SQL condition holds, all where there is none, in the order they were stored."""
        for row in self.store.db.stream(f"{self._select()} WHERE {condition}{IN_ORDER}", bindings):
            yield self._row(row)

    def named(self, column: str, texts: Sequence[str]) -> Iterator[Row]:
        """Yield the rows of which a column is one of some texts."""
        if texts:
            bound = self.store.db.array([self.store.codec.bound(each) for each in texts])
            yield from self.stream(f"{quoted(column)} IN (SELECT CAST(value AS TEXT) FROM {VALUES})", {"values": bound})

    @property
    def written_by_triggers(self) -> frozenset[str]:
        """The tables that triggers of the statements run so far write."""
        return frozenset().union(*self.triggered.values())

    def told(self, row: Mapping[str, Value]) -> Row:
        """Return what must be said of a row: all but the NULLs that a new row has where nothing is said."""
        return {name: value for name, value in row.items() if value is not None or self.columns[name].has_default}

    def insert(
        self, transaction: Transaction, row: Mapping[str, Value], *, beside: Mapping[str, Value] = NOTHING
    ) -> tuple[str, ...]:
        """Store a new row of the columns given and of those `beside` them.

        Returns which of the columns given a trigger changed at once.

        Raises:
            StatementRefused: the database does not take it, or a trigger took it out again.
            SchemaRefused: the database takes no row at all.
        """
        whole = {**beside, **row}
        sql, bindings = self._insert(whole)
        reads_back = self._may_be_undone(sql, bindings, STORED)
        self._change(transaction, sql, bindings)
        return self._altered({name: whole[name] for name in self.key}, row) if reads_back else ()

    def update(
        self,
        transaction: Transaction,
        where: Mapping[str, Value],
        row: Mapping[str, Value],
        *,
        beside: Mapping[str, Value] = NOTHING,
    ) -> tuple[str, ...]:
        """Change the columns given, and those `beside` them, of the row with the values of `where`.

        Returns which of the columns given a trigger changed at once.

        Raises:
            StatementRefused: the database does not take it, or a trigger put back all that is not `beside` as well.
            SchemaRefused: the database lets no such change be made.
        """
        sql, bindings = self._update(where, {**beside, **row})
        if not self._may_be_undone(sql, bindings, CHANGED):
            self._change(transaction, sql, bindings)
            return ()
        before = self.read(where)
        self._change(transaction, sql, bindings)
        altered = self._altered(where, row)
        judged = (row.keys() - beside.keys()) or row.keys()
        if judged <= set(altered) and _of(judged, before) == _of(judged, self.read(where)):
            raise self._refused("puts the row back as it was")
        return altered

    def delete(self, transaction: Transaction, where: Mapping[str, Value]) -> bool:
        """Delete the rows with these values. Return whether that took any away.

        Raises:
            StatementRefused: the database does not let them go.
            SchemaRefused: the database lets no row be deleted.
        """
        sql, bindings = self._delete(where)
        reads_back = self._may_be_undone(sql, bindings, DELETED)
        return transaction.db.change(sql, bindings) > 0 and not (reads_back and self.read(where))

    def refusals(self, changing: Sequence[str]) -> dict[str, str]:
        """Return why no row can be stored, changed in the columns of `changing`, or deleted; nothing is written."""
        key = dict.fromkeys(self.key)
        statements = {
            STORED: self._insert(dict.fromkeys(self.columns)),
            CHANGED: self._update(key, dict.fromkeys(changing or self.key)),
            DELETED: self._delete(key),
        }
        found: dict[str, str] = {}
        for verb, (sql, values) in statements.items():
            try:
                triggers.tables_written(self.store, sql, values)
            except (StatementRefused, WordIndexUnusable) as refusal:
                found[verb] = triggers.refusal_in_words(self.store, refusal)
        return found

    def _insert(self, row: Mapping[str, Value]) -> tuple[str, dict[str, Binding]]:
        names, marks, bindings = self._marked(row)
        return INSERT.format(table=quoted(self.table), names=", ".join(names), values=", ".join(marks)), bindings

    def _delete(self, where: Mapping[str, Value]) -> tuple[str, dict[str, Binding]]:
        condition, bindings = self._where(where)
        return DELETE.format(table=quoted(self.table)) + condition, bindings

    def _update(self, where: Mapping[str, Value], row: Mapping[str, Value]) -> tuple[str, dict[str, Binding]]:
        names, marks, bindings = self._marked(row)
        assignments = ", ".join(f"{name} = {mark}" for name, mark in zip(names, marks, strict=True))
        condition, more = self._where(where)
        sql = UPDATE.format(table=quoted(self.table), assignments=assignments) + condition
        return sql, {**bindings, **more}

    def _may_be_undone(self, sql: str, bindings: Mapping[str, Binding], verb: str) -> bool:
        """Return whether triggers that a statement fires write this table; `verb` says what it does to a row."""
        try:
            if sql not in self.triggered:
                self.triggered[sql] = triggers.tables_written(self.store, sql, bindings)
        except StatementRefused as refusal:
            what = f"{self.store.db.path} lets no row of the table {self.table} be {verb}"
            raise SchemaRefused(
                f"{what}: {triggers.refusal_in_words(self.store, refusal)}.", tip=refusal.tip
            ) from refusal
        return self.table in self.triggered[sql]

    def _change(self, transaction: Transaction, sql: str, bindings: Mapping[str, Binding]) -> None:
        try:
            changed = transaction.db.change(sql, bindings)
        except WordIndexUnusable as error:
            if self.table not in self.triggered[sql] or word_index.complaints(self.store):
                raise
            raise self._refused("changes the row before it is indexed by words") from error
        if not changed:
            # A trigger with RAISE(IGNORE), or one that put something else in the row's place.
            raise self._refused(LEAVES_OUT)

    def _altered(self, where: Mapping[str, Value], row: Mapping[str, Value]) -> tuple[str, ...]:
        """Return which columns of a row do not have the values of `row`, as SQLite compares what they store."""
        names, marks, bindings = self._marked(row)
        kept = ", ".join(f"{name} IS {mark} COLLATE BINARY" for name, mark in zip(names, marks, strict=True))
        condition, more = self._where(where)
        sql = SELECT.format(columns=kept, table=quoted(self.table)) + condition
        found = self.store.db.execute(sql, {**bindings, **more})
        if not found:
            raise self._refused(LEAVES_OUT)
        return tuple(name for name, same in zip(row, found[0], strict=True) if not same)

    def _refused(self, what: str) -> StatementRefused:
        words = f"a trigger of the table {self.table} {what}"
        return StatementRefused(f"{self.store.db.path}: {words}.", words=words)

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


def _of(names: Iterable[str], rows: Iterable[Row]) -> list[Row]:
    return [{name: row[name] for name in names} for row in rows]
