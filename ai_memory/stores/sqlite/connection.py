"""Opens a database file and runs statements on it; the only module that knows apsw.

Every error of SQLite becomes one of ours here. Statements are fetched whole and closed before they
return, so that no read is left open while something slow happens; `stream` is the one exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from ai_memory.errors import StatementRefused, StorageFailed
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite import defence, file, refusals, unlogged
from ai_memory.stores.sqlite.page_copy import PageCopy
from ai_memory.stores.sqlite.waiting import STEPS, Waiting

READ_FAULTS = (apsw.SQLITE_IOERR_READ, apsw.SQLITE_IOERR_SHORT_READ)

OF_A_BUG = (
    apsw.BindingsError,
    apsw.ConnectionClosedError,
    apsw.CursorClosedError,
    apsw.ForkingViolationError,
    apsw.MisuseError,
    apsw.RangeError,
    apsw.ThreadingViolationError,
)
"""What no file can cause, whatever stands in it."""

Binding = str | bytes | int | float | None
Bindings = Sequence[Binding] | Mapping[str, Binding]
Row = tuple[Any, ...]


class Database:
    """One connection to one database file."""

    def __init__(self, path: Path, *, read_only: bool, create: bool, options: OpenOptions) -> None:
        """Open the file; `open_database` is the way to get one."""
        self.path, self.read_only, self._options = path, read_only, options
        self._waiting = Waiting(path, options)
        self._unlogged = unlogged.to_be_read_without_log(path) if read_only else None
        self._connection = self._connect(create=create)
        self._identity = file.identity(path)

    def reopen(self) -> None:
        """Leave the connection as it is, in whatever state, and go on with a new one to the same file.

        Raises:
            StorageFailed: the file was removed or replaced.
            DataRefused: it cannot be opened any more.
        """
        self.require_same_file()
        # The new one first: if it cannot be had, whoever notes the failure still has a connection to try.
        fresh = self._connect(create=False)
        lost, self._connection = self._connection, fresh
        with translated(self.path):
            lost.close(True)

    def require_same_file(self) -> None:
        """Check that the path still leads to the file that was opened.

        Raises:
            StorageFailed: the file was removed or replaced; what is written to it now would be lost.
        """
        file.require_identity(self.path, self._identity)

    def require_unchanged(self) -> None:
        """Check, at the end of a reading, that nobody wrote the file where it was read without locks.

        Raises:
            NotFinished: somebody did; what was read may never have stood in the file together.
        """
        if self._unlogged:
            unlogged.require_mark(self.path, self._unlogged)

    @contextmanager
    def left_as_it_was(self) -> Iterator[None]:
        """Leave the write-ahead log as it is where the block refuses the file: closing it would write it back."""
        keep_log = apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE
        self._connection.config(keep_log, int(file.log_bytes(self.path) > 0))
        yield
        self._connection.config(keep_log, 0)

    def execute(self, sql: str, bindings: Bindings = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        # What receives a copy was not looked into before: its first statement still opens it.
        with translated(self.path, opening=self._options.receiving):
            self._waiting.begin()
            return list(self._connection.execute(sql, bindings))

    def execute_many(self, sql: str, bindings: Iterable[Bindings]) -> list[Row]:
        """Run one statement once per binding and return all rows of all runs, in order."""
        with translated(self.path):
            self._waiting.begin()
            return list(self._connection.executemany(sql, bindings))

    def stream(self, sql: str, bindings: Bindings = ()) -> Iterator[Row]:
        """Yield the rows of one statement as SQLite finds them; the statement stays open meanwhile."""
        with translated(self.path):
            self._waiting.begin()
            yield from self._connection.execute(sql, bindings)

    def explain(self, sql: str, bindings: Bindings = ()) -> list[Row]:
        """Return the program that SQLite makes of one statement, with those of its triggers; nothing is run.

        Raises:
            StatementRefused: it cannot be made: the statement, or a trigger, names what is not there.
        """
        with translated(self.path):
            # Not a program of before: only running it would show that the schema has changed.
            return list(self._connection.execute(f"EXPLAIN {sql}", bindings, can_cache=False))

    def unresolved_references(self) -> bool:
        """Return whether the open transaction has broken a foreign key that COMMIT will ask for."""
        with translated(self.path):
            return self._connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0] != 0

    def change(self, sql: str, bindings: Bindings = ()) -> int:
        """Run one INSERT, UPDATE or DELETE and return how many rows it changed itself."""
        with translated(self.path):
            self._waiting.begin()
            self._connection.execute(sql, bindings)
            return self._connection.changes()

    def value(self, sql: str, bindings: Bindings = ()) -> Any:  # noqa: ANN401 (SQLite's types are dynamic)
        """Return the first column of the first row, None where there is no row."""
        rows = self.execute(sql, bindings)
        return rows[0][0] if rows else None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold one write transaction (BEGIN IMMEDIATE): committed at the end, rolled back on any error.

        Raises:
            NotFinished: another writer held the file for longer than the busy timeout.
            StorageFailed: the commit failed; what is in the file has to be read anew.
        """
        yield from self._bracket("BEGIN IMMEDIATE", "COMMIT")

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Hold one write transaction that is rolled back in any case."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            self._roll_back()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Hold one read transaction: every statement inside sees the same state of the file."""
        # Not COMMIT: a word index that is damaged fails there, though nothing was written.
        yield from self._bracket("BEGIN", "ROLLBACK")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Hold one step of a transaction, undone by itself on any error.

        Raises:
            StorageFailed: the error ended the whole transaction, as a trigger's RAISE(ROLLBACK) does.
        """
        self.execute("SAVEPOINT step")
        try:
            yield
            self.execute("RELEASE step")
        except BaseException as error:
            if not self._connection.in_transaction:
                if not isinstance(error, StatementRefused):
                    raise
                raise StorageFailed(f"{self.path} ended the transaction: {error}", tip="Nothing was stored.") from error
            self.execute("ROLLBACK TO step")
            self.execute("RELEASE step")
            raise

    def _bracket(self, begin: str, end: str) -> Iterator[None]:
        self.execute(begin)
        try:
            yield
            self.execute(end)
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with translated(self.path):
                self._connection.execute("ROLLBACK")

    @contextmanager
    def inner_tables_writable(self) -> Iterator[None]:
        """Let statements inside the block write the inner tables of a virtual one, which SQLite else protects."""
        guarded = self._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1)
        self._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
        try:
            yield
        finally:
            self._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, guarded)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction or a snapshot is open."""
        return self._connection.in_transaction

    def tell(self, text: str) -> None:
        """Tell the user something that is not an error."""
        self._options.tell(text)

    @contextmanager
    def receiving(self, source: Database, *, damaged: bool = False, synced: bool = True) -> Iterator[PageCopy]:
        """Replace this file by `source`, page by page, as one transaction: undone unless all pages were copied.

        With `damaged` this file's own header is not looked at. Open it as `receiving`.
        """
        reset = apsw.SQLITE_DBCONFIG_RESET_DATABASE
        with translated(self.path):
            self._connection.config(reset, int(damaged))
            # EXTRA syncs the folder, too, once the rollback journal is removed: only then is the old content gone.
            self._connection.execute(f"PRAGMA synchronous = {'EXTRA' if synced else 'OFF'}")
            backup = self._connection.backup("main", source._connection, "main")

        def step(pages: int) -> bool:
            try:
                return backup.step(pages)
            except apsw.Error as error:
                with translated(source.path if _code(error) in READ_FAULTS else self.path, opening=True):
                    raise

        try:
            yield PageCopy(step, lambda: (backup.page_count - backup.remaining, backup.page_count))
        finally:
            with translated(self.path):
                backup.close(True)
                self._connection.config(reset, 0)

    def _connect(self, *, create: bool) -> apsw.Connection:
        """Return a new connection, with what a killed writer left in a journal rolled back.

        Raises:
            DataRefused: the file cannot be opened, or only be read where it is to be written.
        """
        file.require_own_side_files(self.path)
        with translated(self.path, opening=True):
            try:
                return self._open(read_only=self.read_only, create=create)
            except apsw.ReadOnlyError as error:
                left = self.read_only and _code(error) == apsw.SQLITE_READONLY_ROLLBACK
                if not (left and file.may_write(self.path)):
                    raise
                self._open(read_only=False, create=False).close()
            except (apsw.IOError, apsw.CantOpenError) as error:
                self._unlogged = unlogged.for_want_of_room(self.path, _code(error)) if self.read_only else None
                if not self._unlogged:
                    raise
            return self._open(read_only=True, create=False)

    def _open(self, *, read_only: bool, create: bool) -> apsw.Connection:
        flags = (apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE) | apsw.SQLITE_OPEN_URI
        name = file.uri(self.path, immutable=self._unlogged is not None)
        connection = apsw.Connection(name, flags=flags, vfs=self._options.vfs)
        try:
            if not read_only:
                # Before the first statement: even that would make files beside it, which lock the owner out.
                refusals.require_writable(self.path, read_only=connection.readonly("main"))
            connection.set_busy_handler(self._waiting.locked)
            connection.set_progress_handler(self._waiting.at_work, STEPS)
            if not self._options.receiving:
                _defend(connection)
                _configure(connection, read_only=read_only, create=create)
        except BaseException:
            connection.close(True)
            raise
        return connection

    def close(self) -> None:
        """Close the connection; statements still open are ended, an open transaction is rolled back."""
        with translated(self.path):
            self._connection.close(True)


def open_database(
    path: Path, *, read_only: bool = False, create: bool = False, options: OpenOptions = OpenOptions()
) -> Database:
    """Return an open connection with our pragmas set; with `create` to a file that is made where there is none.

    Raises:
        DataRefused: the file is missing (and `create` is false), is not a database, or cannot be opened.
    """
    (file.make_private if create else file.require_file)(path)
    return Database(path, read_only=read_only, create=create, options=options)


def _defend(connection: apsw.Connection) -> None:
    """Forbid what no statement of ours needs, before anything of the file is read."""
    for name, value in defence.CONFIG.items():
        connection.config(getattr(apsw, name), value)
    for name, most in defence.LIMITS.items():
        connection.limit(getattr(apsw, name), most)
    # To the end: a pragma that answers with a row keeps those after it waiting.
    list(connection.execute(defence.PRAGMAS))


def _configure(connection: apsw.Connection, *, read_only: bool, create: bool) -> None:
    connection.execute("SELECT count(*) FROM sqlite_master")
    list(connection.execute("PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON"))
    if create:
        # Only where the file is ours from its first page on: one that is there keeps the journal it was given.
        connection.execute("PRAGMA journal_mode = WAL")
    if not read_only:
        # One fsync a commit is nothing beside the embedding, and a power cut then costs no commit. EXTRA is FULL in WAL
        # mode; in any other the folder is synced too, without which a journal that was removed may come back.
        connection.execute("PRAGMA synchronous = EXTRA")


@contextmanager
def translated(path: Path, *, opening: bool = False) -> Iterator[None]:
    """Turn every error inside the block that a file or a disk can cause into one of ours naming `path`.

    What only a bug can cause (a connection that is closed, too few bindings) passes as it is.

    Raises:
        StatementRefused: something in the database (a trigger, constraint, view, function …) forbids a statement.
    """
    try:
        yield
    except OF_A_BUG:
        raise
    except apsw.Error as error:
        kind, code = type(error).__name__, _code(error)
        # A copy's step has no message of its own.
        said = _name(code) if str(error) == "not an error" else str(error)
        raise refusals.of(kind, code, said, path, opening=opening) from error
    except UnicodeDecodeError as error:
        raise refusals.statement(path, f"{refusals.words(error.object)} is not valid text") from error


def _name(code: int) -> str:
    """Return SQLite's name of a result code, extended or not."""
    names = {**apsw.mapping_result_codes, **apsw.mapping_extended_result_codes}
    return str(names.get(code, names.get(code & 0xFF, code)))


def _code(error: apsw.Error) -> int:
    return int(getattr(error, "extendedresult", 0))
