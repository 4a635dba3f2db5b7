"""Reads and writes whole rows of one table: every column by its name, every value as a file would have it.

So JSON and times come and go as text, times as RFC 3339 in UTC; who writes what a column does not take is refused by
the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ai_memory.errors import SchemaRefused, StatementRefused
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.memory_port_writing import NOTHING
from ai_memory.stores.memory_values import Column
from ai_memory.stores.postgres.names import storable
from ai_memory.stores.postgres.transactions import streamed

if TYPE_CHECKING:
    from ai_memory.memory.records import Value
    from ai_memory.stores.postgres.base import Store, Transaction

COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.atthasdef AND coalesce(pg_get_expr(d.adbin, d.adrelid), 'NULL') NOT LIKE 'NULL%%'
    FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        AND a.attname NOT LIKE 'ai\\_memory\\_%%'
    ORDER BY a.attnum
"""
DENIED = """
    SELECT verb FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS verb
    WHERE NOT has_table_privilege(to_regclass(%(table)s), verb)
"""
# Bits of pg_trigger.tgtype: INSERT 4, DELETE 8, UPDATE 16.
FIRES = """
    SELECT EXISTS (
        SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(%(table)s) AND NOT tgisinternal
            AND tgenabled IN ('O', 'A') AND tgtype & %(event)s <> 0
    )
"""
SELECT = "SELECT {columns} FROM {table} AS t"
INSERT = "INSERT INTO {table} ({names}) VALUES ({values})"
UPDATE = "UPDATE {table} AS t SET {assignments}"
DELETE = "DELETE FROM {table} AS t"
AS_TIME = """
    to_char({column} AT TIME ZONE 'UTC', CASE date_trunc('second', {column}) WHEN {column}
        THEN 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"' ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"' END)
"""
TIMES = ("timestamp with time zone",)
AS_IT_IS = ("text", "bytea", "integer", "bigint", "smallint", "double precision", "real")
VERBS = {"INSERT": "stored", "UPDATE": "changed", "DELETE": "deleted"}
EVENTS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16}
LEAVES_OUT = "leaves the row out"

Row: TypeAlias = "dict[str, Value]"


class Rows(Frozen):
    """The rows of one table of an open store, each named by its `key`; no `columns` where there is no such table."""

    store: Store
    table: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    types: Mapping[str, str]

    @classmethod
    def of(cls, store: Store, table: str, *, key: tuple[str, ...], without: frozenset[str] = frozenset()) -> Rows:
        """Return the rows of `table`, generated columns and those of `without` left out."""
        found = [each for each in store.db.execute(COLUMNS, {"table": table}) if each[0] not in without]
        columns = {name: Column(bool(required), bool(default)) for name, _, required, default in found}
        return cls(store, table, key, columns, {name: kind for name, kind, *_ in found})

    def read(self, where: Mapping[str, Value]) -> list[Row]:
        """Return the rows with these values; what a column cannot hold no row has."""
        if any(isinstance(each, str) and not storable(each) for each in where.values()):
            return []
        if any(self.types[name] == "text" and not isinstance(each, str) for name, each in where.items()):
            return []
        condition, bindings = self._where(where)
        return [self._row(row) for row in self.store.db.execute(f"{self._select()} WHERE {condition}", bindings)]

    def stream(self, condition: str = "true", bindings: Mapping[str, object] = NOTHING) -> Iterator[Row]:
        """Yield the rows for which an SQL condition on `t` holds, in the order in which they were stored."""
        sql = f"{self._select()} WHERE {condition} ORDER BY t.created_at, {', '.join(self.key)}"
        for row in streamed(self.store.db, sql, bindings):
            yield self._row(row)

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
            SchemaRefused: the user may store no row there.
        """
        self._require_allowed("INSERT")
        whole = {**beside, **row}
        marks, bindings = self._marked(whole, "value")
        sql = INSERT.format(table=self.table, names=", ".join(map(quoted, whole)), values=", ".join(marks))
        if not transaction.db.change(sql, bindings):
            raise self._refused(LEAVES_OUT)
        return self._altered({name: whole[name] for name in self.key}, row) if self.fires("INSERT") else ()

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
            StatementRefused: the database does not take it, or a trigger put the row back.
            SchemaRefused: the user may change no row there.
        """
        self._require_allowed("UPDATE")
        whole = {**beside, **row}
        marks, bindings = self._marked(whole, "value")
        assignments = ", ".join(f"{quoted(name)} = {mark}" for name, mark in zip(whole, marks, strict=True))
        condition, more = self._where(where)
        sql = f"{UPDATE.format(table=self.table, assignments=assignments)} WHERE {condition}"
        if not transaction.db.change(sql, {**bindings, **more}):
            raise self._refused(LEAVES_OUT)
        return self._altered(where, row) if self.fires("UPDATE") else ()

    def delete(self, transaction: Transaction, where: Mapping[str, Value]) -> bool:
        """Delete the rows with these values. Return whether that took any away.

        Raises:
            StatementRefused: the database does not let them go.
        """
        condition, bindings = self._where(where)
        return transaction.db.change(f"{DELETE.format(table=self.table)} WHERE {condition}", bindings) > 0

    def refusals(self) -> dict[str, str]:
        """Return why no row can be stored, changed or deleted, by that verb; nothing is written."""
        found = self.store.db.execute(DENIED, {"table": self.table}) if self.columns else []
        return {VERBS[verb]: f"this user may not {verb} in the table {self.table}" for (verb,) in found}

    def fires(self, *verbs: str) -> bool:
        """Return whether writing a row fires somebody's trigger, which may do anything to it."""
        event = sum(EVENTS[each] for each in verbs)
        return bool(self.store.db.value(FIRES, {"table": self.table, "event": event}))

    def _require_allowed(self, verb: str) -> None:
        if why := self.refusals().get(VERBS[verb]):
            what = f"{self.store.name} lets no row of the table {self.table} be {VERBS[verb]}: {why}."
            raise SchemaRefused(what, tip="Connect as the owner of the memories, or grant this user the right.")

    def _altered(self, where: Mapping[str, Value], row: Mapping[str, Value]) -> tuple[str, ...]:
        """Return which columns of a row do not have the values of `row`, as the database compares what it stores."""
        marks, bindings = self._marked(row, "value")
        pairs = zip(row, marks, strict=True)
        kept = ", ".join(f"t.{quoted(name)} IS NOT DISTINCT FROM {mark}" for name, mark in pairs)
        condition, more = self._where(where)
        sql = f"{SELECT.format(columns=kept, table=self.table)} WHERE {condition}"
        found = self.store.db.execute(sql, {**bindings, **more})
        if not found:
            raise self._refused(LEAVES_OUT)
        return tuple(name for name, same in zip(row, found[0], strict=True) if not same)

    def _refused(self, what: str) -> StatementRefused:
        words = f"a trigger of the table {self.table} {what}"
        return StatementRefused(f"{self.store.name}: {words}.", words=words)

    def _select(self) -> str:
        return SELECT.format(columns=", ".join(map(self._read, self.columns)), table=self.table)

    def _read(self, name: str) -> str:
        column, kind = f"t.{quoted(name)}", self.types[name]
        if kind in TIMES:
            return AS_TIME.format(column=column)
        return column if kind in AS_IT_IS else f"{column}::text"

    def _row(self, row: Sequence[Value]) -> Row:
        return dict(zip(self.columns, row, strict=True))

    def _where(self, values: Mapping[str, Value]) -> tuple[str, dict[str, Value]]:
        marks, bindings = self._marked(values, "known")
        pairs = zip(values, marks, strict=True)
        return " AND ".join(f"t.{quoted(name)} IS NOT DISTINCT FROM {mark}" for name, mark in pairs), bindings

    def _marked(self, values: Mapping[str, Value], kind: str) -> tuple[list[str], dict[str, Value]]:
        """Return a mark for the value of each column, and what to bind to the marks."""
        for name, value in values.items():
            if isinstance(value, str) and not storable(value):
                words = f"{name} has a NUL, or a byte that is not UTF-8"
                raise StatementRefused(f"{self.store.name} cannot keep it: {words}.", words=words)
        bindings = {f"{kind}_{place}": value for place, value in enumerate(values.values())}
        marks = [f"%({key})s::{self.types[name]}" for key, name in zip(bindings, values, strict=True)]
        return marks, bindings
