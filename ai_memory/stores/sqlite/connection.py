"""Runs statements on an open database file.

They are fetched whole and closed before they return, so that no read is left open while something slow happens;
`stream` is the one exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite import file
from ai_memory.stores.sqlite.handle import DEFERRED_FKS, Handle, array

Binding = str | bytes | int | float | None
Bindings = Sequence[Binding] | Mapping[str, Binding]
Row = tuple[Any, ...]


class Connection:
    """One connection to one database file.

    `handle` is the file behind it, `tell` tells the user something, `array` makes values a table (see `among`).
    """

    def __init__(self, path: Path, *, read_only: bool, create: bool, options: OpenOptions) -> None:
        """Open the file; `open_database` is the way to get one."""
        self.path, self.tell, self.array = path, options.tell, array
        self.handle = Handle(path, read_only=read_only, create=create, options=options)

    def execute(self, sql: str, bindings: Bindings = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        with self.handle.statement() as sqlite:
            return list(sqlite.execute(sql, bindings))

    def execute_many(self, sql: str, bindings: Iterable[Bindings]) -> list[Row]:
        """Run one statement once per binding and return all rows of all runs, in order."""
        with self.handle.statement() as sqlite:
            return list(sqlite.executemany(sql, bindings))

    def stream(self, sql: str, bindings: Bindings = ()) -> Iterator[Row]:
        """Yield the rows of one statement as SQLite finds them; the statement stays open meanwhile."""
        with self.handle.statement() as sqlite:
            yield from sqlite.execute(sql, bindings)

    def explain(self, sql: str, bindings: Bindings = ()) -> list[Row]:
        """Return the program that SQLite makes of one statement, with those of its triggers; nothing is run.

        Raises:
            StatementRefused: it cannot be made: the statement, or a trigger, names what is not there.
        """
        with self.handle.statement() as sqlite:
            # Not a program of before: only running it would show that the schema has changed.
            return list(sqlite.execute(f"EXPLAIN {sql}", bindings, can_cache=False))

    def unresolved_references(self) -> bool:
        """Return whether the open transaction has broken a foreign key that COMMIT will ask for."""
        with self.handle.statement() as sqlite:
            return sqlite.status(DEFERRED_FKS)[0] != 0

    def change(self, sql: str, *bindings: Bindings) -> int:
        """Run one INSERT, UPDATE or DELETE once per binding, or once; return how many rows it changed itself."""
        changed = 0
        with self.handle.statement() as sqlite:

            def counted() -> Iterator[Bindings]:
                nonlocal changed
                for each in bindings or ((),):
                    yield each
                    # Asked for the next, SQLite has run this one. Not what total_changes() differs by in the end: that
                    # counts what FTS5 writes on the way, too.
                    changed += sqlite.changes()

            sqlite.executemany(sql, counted())
        return changed

    def value(self, sql: str, bindings: Bindings = ()) -> Any:  # noqa: ANN401 (SQLite's types are dynamic)
        """Return the first column of the first row, None where there is no row."""
        rows = self.execute(sql, bindings)
        return rows[0][0] if rows else None

    def define(self, name: str, function: Callable[..., bytes | bool | None]) -> None:
        """Let SQL of ours call a function of values; a schema that a file brings along may not."""
        with self.handle.statement() as sqlite:
            sqlite.create_scalar_function(name, function, deterministic=True)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction or a snapshot is open."""
        return self.handle.in_transaction

    def close(self) -> None:
        """Close the connection; statements still open are ended, an open transaction is rolled back."""
        self.handle.close()


def open_database(
    path: Path, *, read_only: bool = False, create: bool = False, options: OpenOptions = OpenOptions()
) -> Connection:
    """Return an open connection with our pragmas set; with `create` to a file that is made where there is none.

    Raises:
        DataRefused: the file is missing (and `create` is false), is not a database, or cannot be opened.
    """
    (file.make_private if create else file.require_file)(path)
    return Connection(path, read_only=read_only, create=create, options=options)
