"""Opens a database file and keeps it open; the only module that knows apsw.

Every error of SQLite becomes one of ours here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from ai_memory.frozen import Frozen
from ai_memory.stores.sqlite import defence, disk, file, refusals, side_file, unlogged
from ai_memory.stores.sqlite.waiting import STEPS, Waiting

if TYPE_CHECKING:
    from ai_memory.errors import AiMemoryError
    from ai_memory.stores.open_options import OpenOptions

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

OF_A_FILE = (apsw.Error, UnicodeDecodeError)

LOG_BYTES = 16 * 1024 * 1024
"""How large the write-ahead log may grow before SQLite brings its pages into the file.

A page that several commits change is written once by then: with SQLite's own 4 MB a run of 20,000 rows on a disk takes
nearly half as much time again. No more, as the commit that finds the log full may be another program's, which then
brings the pages over (2026-11-26)."""

DEFERRED_FKS = apsw.SQLITE_DBSTATUS_DEFERRED_FKS
"""By this SQLite tells how many broken references wait for COMMIT."""


class PageCopy(Frozen):
    """A copy of a whole database under way, page by page, by SQLite's backup API.

    `copy` copies so many pages more; it returns whether these were the last, and all of them are committed, and raises
    NotFinished where another writer, or a reader, held the target for longer than the busy timeout, StorageFailed where
    one of the files cannot be read or written. `count` returns how many pages are copied, and how many there are.
    """

    copy: Callable[[int], bool]
    count: Callable[[], tuple[int, int]]


def array(values: Sequence[bytes]) -> Any:  # noqa: ANN401 (of apsw's own, that nobody else looks into)
    """Return values, at least one, to be bound as a table that SQLite reads without asking Python for each."""
    return apsw.carray(tuple(values))


class Handle:
    """An open database file: SQLite's connection to it, which can be made anew."""

    def __init__(self, path: Path, *, read_only: bool, create: bool, options: OpenOptions) -> None:
        """Open the file.

        Raises:
            DataRefused: it cannot be opened, or only be read where it is to be written.
        """
        self.path, self._read_only, self._options = path, read_only, options
        self._waiting = Waiting(options, locked=refusals.locked(path))
        self._unlogged = unlogged.to_be_read_without_log(path) if read_only else None
        self._connection = self._connect(create=create)
        self._identity = file.identity(path)

    @contextmanager
    def statement(self) -> Iterator[apsw.Connection]:
        """Lend SQLite's connection for one statement, with its errors as ours and its time counted from now on."""
        before = self._waiting.begin()
        # Not by `_translated`: every statement comes by here, and two brackets take twice the time.
        try:
            yield self._connection
        except OF_A_BUG:
            raise
        except OF_A_FILE as error:
            # What receives a copy was not looked into before: its first statement still opens it.
            raise _ours(error, self.path, opening=self._options.receiving) from error
        finally:
            self._waiting.end(before)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction or a snapshot is open."""
        return self._connection.in_transaction

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
        with _translated(self.path):
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

    @contextmanager
    def inner_tables_writable(self) -> Iterator[None]:
        """Let statements inside the block write the inner tables of a virtual one, which SQLite else protects."""
        guarded = self._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1)
        self._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
        try:
            yield
        finally:
            self._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, guarded)

    @contextmanager
    def one_attached(self) -> Iterator[None]:
        """Let one file be attached inside the block: VACUUM does that with its copy."""
        self._connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 1)
        try:
            yield
        finally:
            self._connection.limit(apsw.SQLITE_LIMIT_ATTACHED, defence.LIMITS["SQLITE_LIMIT_ATTACHED"])

    @contextmanager
    def receiving(self, source: Handle, *, damaged: bool = False, synced: bool = True) -> Iterator[PageCopy]:
        """Replace this file by `source`, page by page, as one transaction: undone unless all pages were copied.

        With `damaged` this file's own header is not looked at. Open it as `receiving`.
        """
        reset = apsw.SQLITE_DBCONFIG_RESET_DATABASE
        with _translated(self.path):
            self._connection.config(reset, int(damaged))
            # EXTRA syncs the folder, too, once the rollback journal is removed: only then is the old content gone.
            self._connection.execute(f"PRAGMA synchronous = {'EXTRA' if synced else 'OFF'}")
            backup = self._connection.backup("main", source._connection, "main")

        def step(pages: int) -> bool:
            try:
                return backup.step(pages)
            except apsw.Error as error:
                with _translated(source.path if _code(error) in READ_FAULTS else self.path, opening=True):
                    raise

        try:
            yield PageCopy(step, lambda: (backup.page_count - backup.remaining, backup.page_count))
        finally:
            with _translated(self.path):
                backup.close(True)
                self._connection.config(reset, 0)

    def _connect(self, *, create: bool) -> apsw.Connection:
        """Return a new connection, with what a killed writer left in a journal rolled back.

        Raises:
            DataRefused: the file cannot be opened, or only be read where it is to be written.
        """
        side_file.require_own(self.path)
        with _translated(self.path, opening=True):
            try:
                return self._open(read_only=self._read_only, create=create)
            except apsw.ReadOnlyError as error:
                left = self._read_only and _code(error) == apsw.SQLITE_READONLY_ROLLBACK
                if not (left and file.may_write(self.path)):
                    raise
                self._open(read_only=False, create=False).close()
            except (apsw.IOError, apsw.CantOpenError) as error:
                full = self._read_only and disk.is_full(self.path, _code(error))
                self._unlogged = unlogged.whole_without_log(self.path) if full else None
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
        with _translated(self.path):
            self._connection.close(True)


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
    if not read_only:
        # A run writes rows in the order of their ids, which lie anywhere: with SQLite's own 2 MB a rollback of 40,000
        # rows spends half as much time again in system calls (2026-11-26).
        connection.execute("PRAGMA cache_size = -32768")
        ((page_size,),) = connection.execute("PRAGMA main.page_size")
        list(connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // page_size}"))
    if create:
        # Only where the file is ours from its first page on: one that is there keeps the journal it was given.
        connection.execute("PRAGMA journal_mode = WAL")
    if not read_only:
        # One fsync a commit is nothing beside the embedding, and a power cut then costs no commit. EXTRA is FULL in WAL
        # mode; in any other the folder is synced too, without which a journal that was removed may come back.
        connection.execute("PRAGMA synchronous = EXTRA")


@contextmanager
def _translated(path: Path, *, opening: bool = False) -> Iterator[None]:
    """Turn every error inside the block that a file or a disk can cause into one of ours naming `path`.

    What only a bug can cause (a connection that is closed, too few bindings) passes as it is.

    Raises:
        StatementRefused: something in the database (a trigger, constraint, view, function …) forbids a statement.
    """
    try:
        yield
    except OF_A_BUG:
        raise
    except OF_A_FILE as error:
        raise _ours(error, path, opening=opening) from error


def _ours(error: apsw.Error | UnicodeDecodeError, path: Path, *, opening: bool) -> AiMemoryError:
    if isinstance(error, UnicodeDecodeError):
        return refusals.statement(path, f"{refusals.words(error.object)} is not valid text")
    code = _code(error)
    # A copy's step has no message of its own.
    said = _name(code) if str(error) == "not an error" else str(error)
    return refusals.of(type(error).__name__, code, said, path, opening=opening, full=disk.is_full(path, code))


def _name(code: int) -> str:
    """Return SQLite's name of a result code, extended or not."""
    names = {**apsw.mapping_result_codes, **apsw.mapping_extended_result_codes}
    return str(names.get(code, names.get(code & 0xFF, code)))


def _code(error: apsw.Error) -> int:
    return int(getattr(error, "extendedresult", 0))
