"""Opens a database file and runs statements on it; the only module that knows apsw.

Every error of SQLite becomes one of ours here. Statements are fetched whole and closed before they
return, so that no read is left open while something slow happens; `stream` is the one exception.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw

from ai_memory.errors import AiMemoryError, DataRefused, NotFinished, StatementRefused, StorageFailed, WordIndexUnusable
from ai_memory.store.text import printable

BUSY_TIMEOUT_MS = 30_000
"""How long a statement waits for another writer; ai-memory's own transactions are far shorter."""

BUSY_PAUSE_MS = 10
"""The pause between two attempts at a lock that another writer has."""
HEED_STEPS = 100_000
"""Steps of SQLite's machine between two looks at who wants to end the work: some milliseconds."""

MAX_WORDS = 200
"""Characters of SQLite's own words that an error shows: a name in a schema can be a megabyte long."""

OF_WORD_INDEX = re.compile(r"memories_fts|\bfts5\b|\btokenizer\b")
"""Words of SQLite in which this occurs tell of the index of words, not of the memories."""

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


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How to open: the SQLite VFS (None: the system's) and the wait for other writers, in milliseconds.

    `heed` is called many times a second while SQLite works or waits; what it raises ends the statement. `tell` hears
    what the user should know. `receiving`: nothing is read or set, for a file that a copy will fill.
    """

    vfs: str | None = None
    busy_timeout_ms: int = BUSY_TIMEOUT_MS
    heed: Callable[[], None] | None = None
    tell: Callable[[str], None] = lambda _text: None
    receiving: bool = False


class Database:
    """One connection to one database file."""

    def __init__(self, path: Path, *, read_only: bool, create: bool, options: OpenOptions) -> None:
        """Open the file; `open_database` is the way to get one."""
        self.path = path
        self.read_only = read_only
        self._options = options
        self._connection = _connect(path, read_only=read_only, create=create, options=options)
        self._identity = _identity(path)

    def reopen(self) -> None:
        """Leave the connection as it is, in whatever state, and go on with a new one to the same file.

        Raises:
            StorageFailed: the file was removed or replaced.
            DataRefused: it cannot be opened any more.
        """
        self.require_same_file()
        # The new one first: if it cannot be had, whoever notes the failure still has a connection to try.
        fresh = _connect(self.path, read_only=self.read_only, create=False, options=self._options)
        lost, self._connection = self._connection, fresh
        with translated(self.path):
            lost.close(True)

    def require_same_file(self) -> None:
        """Check that the path still leads to the file that was opened.

        Raises:
            StorageFailed: the file was removed or replaced; what is written to it now would be lost.
        """
        if _identity(self.path) != self._identity:
            raise StorageFailed(
                f"{self.path} was removed or replaced while it was open.",
                tip="Put the file back, then run the same command again.",
            )

    def execute(self, sql: str, bindings: Bindings = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        with translated(self.path):
            return list(self._connection.execute(sql, bindings))

    def execute_many(self, sql: str, bindings: Iterable[Bindings]) -> list[Row]:
        """Run one statement once per binding and return all rows of all runs, in order."""
        with translated(self.path):
            return list(self._connection.executemany(sql, bindings))

    def stream(self, sql: str, bindings: Bindings = ()) -> Iterator[Row]:
        """Yield the rows of one statement as SQLite finds them; the statement stays open meanwhile."""
        with translated(self.path):
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
        """Say whether the open transaction has broken a foreign key that COMMIT will ask for."""
        with translated(self.path):
            return self._connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0] != 0

    def change(self, sql: str, bindings: Bindings = ()) -> int:
        """Run one INSERT, UPDATE or DELETE and return how many rows it changed itself."""
        with translated(self.path):
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
        """Tell the user something that is no error."""
        self._options.tell(text)

    @contextmanager
    def receiving(self, source: Database, *, damaged: bool = False) -> Iterator[PageCopy]:
        """Replace this file by `source`, page by page, as one transaction: undone unless all pages were copied.

        With `damaged` this file's own header is not looked at. Open it with `open_to_receive`.
        """
        reset = apsw.SQLITE_DBCONFIG_RESET_DATABASE
        with translated(self.path):
            self._connection.config(reset, int(damaged))
            backup = self._connection.backup("main", source._connection, "main")
        try:
            yield PageCopy(backup, source.path, self.path)
        finally:
            backup.close(True)
            self._connection.config(reset, 0)

    def close(self) -> None:
        """Close the connection; statements still open are ended, an open transaction is rolled back."""
        with translated(self.path):
            self._connection.close(True)


class PageCopy:
    """A copy under way by SQLite's backup API."""

    def __init__(self, backup: apsw.Backup, source: Path, target: Path) -> None:
        """Copy what `backup` says, from the file `source` to `target`."""
        self._backup = backup
        self._source, self._target = source, target

    def copy(self, pages: int) -> bool:
        """Copy so many pages more; returns whether these were the last, and all of them are committed.

        Raises:
            NotFinished: another writer, or a reader, held the target for longer than the busy timeout.
            StorageFailed: one of the files cannot be read or written.
        """
        try:
            return self._backup.step(pages)
        except apsw.Error as error:
            with translated(self._source if _code(error) in READ_FAULTS else self._target):
                raise

    @property
    def pages(self) -> tuple[int, int]:
        """How many pages are copied, and how many there are."""
        return self._backup.page_count - self._backup.remaining, self._backup.page_count


READ_FAULTS = (apsw.SQLITE_IOERR_READ, apsw.SQLITE_IOERR_SHORT_READ)


def open_to_receive(path: Path, *, options: OpenOptions = OpenOptions()) -> Database:
    """Return a connection to a file, empty, damaged or sound, whose content a copy is going to replace.

    Raises:
        DataRefused: it cannot be opened for writing.
    """
    return Database(path, read_only=False, create=False, options=replace(options, receiving=True))


def open_database(
    path: Path, *, read_only: bool = False, create: bool = False, options: OpenOptions = OpenOptions()
) -> Database:
    """Return an open connection with our pragmas set.

    Raises:
        DataRefused: the file is missing (and `create` is false), is no database, or cannot be opened.
    """
    if not create:
        _require_file(path)
    return Database(path, read_only=read_only, create=create, options=options)


def _connect(path: Path, *, read_only: bool, create: bool, options: OpenOptions) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    if create:
        flags |= apsw.SQLITE_OPEN_CREATE
    with translated(path, opening=True):
        # Absolute: SQLite takes the bare names ":memory:" and "" for something else than a file.
        connection = apsw.Connection(str(path.absolute()), flags=flags, vfs=options.vfs)
        try:
            _configure(connection, read_only=read_only, options=options)
        except BaseException:
            connection.close(True)
            raise
    if not read_only and connection.readonly("main"):
        connection.close(True)
        raise DataRefused(f"{path} is read-only.", tip="Make the file and its folder writable, or copy them first.")
    return connection


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise DataRefused(f"{path} is a folder, not a database.", tip="Name the database file with --db PATH.")
    if not path.exists():
        raise DataRefused(
            f"There is no database at {path}.", tip="Name it with --db PATH, or create one: ai-memory init."
        )
    # Even a switch to WAL would write a first page into it, and `init` would then find a database without memories.
    if not path.stat().st_size:
        raise DataRefused(f"{path} is an empty file, not a database.", tip="Make it one: ai-memory init.")


def _configure(connection: apsw.Connection, *, read_only: bool, options: OpenOptions) -> None:
    # No statement of ours needs a second file: SQL that a file smuggles in reaches none. VACUUM INTO attaches too.
    connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_busy_handler(_waiting(options))
    if options.heed is not None:
        connection.set_progress_handler(_heeding(options.heed), HEED_STEPS)
    if options.receiving:
        return
    connection.execute("SELECT count(*) FROM sqlite_master")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA foreign_keys = ON")
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        # One fsync a commit is nothing beside the embedding, and a power cut then costs no commit.
        connection.execute("PRAGMA synchronous = FULL")


def _waiting(options: OpenOptions) -> Callable[[int], bool]:
    # In Python, not in SQLite: while that one waits no signal would be heard.
    def wait(attempts: int) -> bool:
        if options.heed is not None:
            options.heed()
        time.sleep(BUSY_PAUSE_MS / 1000)
        return (attempts + 1) * BUSY_PAUSE_MS < options.busy_timeout_ms

    return wait


def _heeding(heed: Callable[[], None]) -> Callable[[], bool]:
    def interrupted() -> bool:
        heed()
        return False

    return interrupted


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
        raise _ours(error, path, opening=opening) from error
    except UnicodeDecodeError as error:
        raise _refused(path, f"{printable(_raw(error))} is not valid text") from error


def _ours(error: apsw.Error, path: Path, *, opening: bool) -> AiMemoryError:
    words = _words(error)
    if OF_WORD_INDEX.search(words) or _code(error) == apsw.SQLITE_CORRUPT_VTAB:
        return WordIndexUnusable(path, words)
    return _by_class(error, path, words, opening=opening)


def _by_class(error: apsw.Error, path: Path, reason: str, *, opening: bool) -> AiMemoryError:
    again = "then run the same command again."
    match error:
        case apsw.NotADBError():
            return DataRefused(f"{path} is not a SQLite database.", tip="Name the database file with --db PATH.")
        case apsw.CorruptError():
            return DataRefused(
                f"{path} is damaged: {reason}.",
                tip="See what is: ai-memory doctor. If it is more than the word index, restore a backup of the file.",
            )
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return NotFinished(f"{path} is locked by another writer.", tip="Run the same command again.")
        case apsw.CantOpenError() | apsw.ReadOnlyError() | apsw.PermissionsError() if opening:
            return DataRefused(f"{path} cannot be opened: {reason}.", tip="Check the permissions of file and folder.")
        case apsw.CantOpenError() | apsw.ReadOnlyError() | apsw.PermissionsError():
            return StorageFailed(f"{path} cannot be written any more: {reason}.", tip=f"Make it writable, {again}")
        case apsw.FullError():
            return StorageFailed(f"{path}: the disk is full.", tip=f"Free some space, {again}")
        case apsw.IOError():
            return StorageFailed(f"{path}: {reason}.", tip=f"Check the disk, {again}")
    return _refused(path, reason)


def _refused(path: Path, words: str) -> StatementRefused:
    look = f"Look at its schema: sqlite3 {shlex.quote(str(path))} .schema"
    return StatementRefused(f"{path} refuses a statement: {words}.", tip=look, words=words)


def _words(error: apsw.Error) -> str:
    """Return SQLite's own words: one line, printable, no longer than people read."""
    words = printable(" ".join(str(error).split())).rstrip(".") or type(error).__name__
    if words == "not an error":
        # A copy's step has no message of its own.
        words = str(apsw.mapping_extended_result_codes.get(_code(error), words))
    return words if len(words) <= MAX_WORDS else f"{words[:MAX_WORDS]} …"


def _raw(error: UnicodeDecodeError) -> str:
    return error.object[:MAX_WORDS].decode("utf-8", "surrogateescape")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def quoted(identifier: str) -> str:
    """Return a name that stands in a file, ready to stand in SQL: as an identifier, whatever is in it."""
    return '"{}"'.format(identifier.replace('"', '""'))


def _code(error: apsw.Error) -> int:
    return int(getattr(error, "extendedresult", 0))


def real_path(path: Path) -> Path:
    """Return the path with links resolved: the one name of a database for all its users."""
    return Path(os.path.realpath(path))
