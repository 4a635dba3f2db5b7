"""Reads one state of a file, however long that takes, with as little waiting for its writers as the file allows.

With a write-ahead log readers and writers do not disturb each other: a snapshot is held. In any other journal mode
a reader's lock keeps every commit waiting, so that there the file is read in chunks, without a lock between them,
and anew where another writer committed in between; only when that happened three times is a lock held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from ai_memory.errors import NotFinished
from ai_memory.stores.sqlite.transactions import snapshot

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.connection import Binding, Connection, Row

T = TypeVar("T")

ATTEMPTS = 3
"""Readings without a lock before one with it."""
CHUNK_ROWS = 500
FIRST_ROW = -(2**63)
LAST_ROW = 2**63 - 1

JOURNAL_MODE = "PRAGMA main.journal_mode"
DATA_VERSION = "PRAGMA main.data_version"
# SQLite's own 2 MB: what is read once from end to end need not be kept.
READ_ALONE = "PRAGMA query_only = ON", "PRAGMA cache_size = -2000"
FIRST_READ = "SELECT count(*) FROM main.sqlite_master"
END_OF_CHUNK = f"""
    SELECT max(rowid) FROM (SELECT rowid FROM main.memories WHERE rowid >= ? ORDER BY rowid LIMIT {CHUNK_ROWS})
"""
WITHIN = "AND m.row_number BETWEEN :first AND :last"


def consistently(db: Connection, read: Callable[[], T]) -> T:
    """Return what `read` finds in one state of the file; it may be called up to four times, the first ones in vain."""
    if not db.in_transaction and not keeps_log(db):
        for _ in range(ATTEMPTS):
            before = data_version(db)
            try:
                found = read()
            except Exception:
                # What was read may contradict itself where the file changed meanwhile.
                if data_version(db) == before:
                    raise
                continue
            if data_version(db) == before:
                return found
        db.tell(f"{db.path} changes all the time and keeps no write-ahead log: its writers wait while it is read.")
    if db.in_transaction:
        return read()
    with snapshot(db):
        return read()


def keeps_log(db: Connection) -> bool:
    """Return whether a write-ahead log is kept, so that readers and writers do not wait for each other."""
    return bool(db.value(JOURNAL_MODE) == "wal")


def require_log(db: Connection) -> None:
    """Check that a state can be held for long without keeping the file's writers waiting.

    Raises:
        NotFinished: it cannot.
    """
    if not keeps_log(db):
        what = f"{db.path} keeps no write-ahead log: its writers would wait while one state of it is read."
        raise NotFinished(what, tip="Run the same command again.")


def seal(db: Connection) -> None:
    """Begin the state of an open snapshot, which is that of its first read, and let nothing be written from now on."""
    for pragma in READ_ALONE:
        db.execute(pragma)
    db.value(FIRST_READ)


def data_version(db: Connection) -> int:
    """Return a number that is another one as soon as another connection has committed."""
    return int(db.value(DATA_VERSION))


def memory_rows(db: Connection, sql: str, bindings: Mapping[str, Binding]) -> Iterator[Row]:
    """Yield the rows of a query of `memory_row AS m`: in a snapshot as SQLite finds them, else in chunks.

    `{within}` in `sql` is where a chunk is told, `{plus}` before a column whose index is of no use then. No lock is
    held while the rows of a chunk are looked at.
    """
    if db.in_transaction:
        yield from db.stream(sql.format(within="", plus=""), bindings)
        return
    chunk = sql.format(within=WITHIN, plus="+")
    first = FIRST_ROW
    while (last := db.value(END_OF_CHUNK, (first,))) is not None:
        yield from db.execute(chunk, {**bindings, "first": first, "last": last})
        if last == LAST_ROW:
            return
        first = last + 1
