"""Databases of our own for tests, and what stands in them as any other program sees it.

By apsw, as the program itself: a second copy of SQLite in one process, like the standard library's, would drop
the locks of the first one (sqlite.org, "How To Corrupt An SQLite Database File", 2.2.1).
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from ai_memory.stores.sqlite import approvals
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.file import log_bytes
from ai_memory.stores.sqlite.handle import LOG_BYTES
from ai_memory.stores.sqlite.lock import FLOCK
from ai_memory.vectors.target import Target

VECTOR_COLUMNS = frozenset({"embedding", "embedding_dim", "embedding_space"})
OURS = ("reembed_", "embedding_", "sqlite_sequence", "sqlite_autoindex_reembed", "sqlite_autoindex_embedding")
FTS_INSIDES = "memories_fts_"
STAMP = "2026-01-02T03:04:05+00:00"


def create(path: Path, rows: int = 10, *, namespaces: Sequence[str] = ("a", "b")) -> Path:
    """Make a database with rows `id-000`, `id-001`, … in turn in each of the namespaces; none has a vector."""
    with writing(path, now_ms=0, create=True):
        pass
    with opened(path) as connection, connection:
        for number in range(rows):
            _insert(connection, f"id-{number:03}", namespaces[number % len(namespaces)])
    return path


def add(path: Path, row_id: str, namespace: str = "a", **columns: str | bytes | int | None) -> None:
    """Insert one memory; `columns` stand above what it would have."""
    with opened(path) as connection:
        _insert(connection, row_id, namespace, **columns)


def execute(path: Path, sql: str, *bindings: str | bytes | float | None) -> list[tuple[Any, ...]]:
    """Run one statement on a connection of its own and return its rows."""
    with opened(path) as connection:
        return list(connection.execute(sql, bindings))


def change_schema(path: Path, name: str, old: str, new: str) -> None:
    """Have the SQL of a table or index name something that no program but some application has."""
    with opened(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = ?", (old, new, name))


def approve(path: Path, target: Target, *, now_ms: int = 0) -> None:
    """Let unattended starts of a file go to a target, as `reembed approve` does."""
    with writing(path, now_ms=now_ms) as store, store.transaction() as transaction:
        approvals.approve(transaction, target.space, target.dim, by="ann on db1", how="approve", now_ms=now_ms)


def edit(path: Path, row_id: str, content: str) -> None:
    """Change a content as another program would, which knows nothing of vectors."""
    execute(path, "UPDATE memories SET content = ? WHERE id = ?", content, row_id)


def note_reads(path: Path, row_id: str, reads: int, at: str = STAMP) -> None:
    """Have a memory been read so often, the last time `at` a time, as the Rust program notes it."""
    execute(path, "UPDATE memories SET access_count = ?, last_accessed_at = ? WHERE id = ?", reads, at, row_id)


def edit_all(path: Path, content: str) -> bool:
    """Give all memories one content in one commit; return False, without waiting, where somebody holds the file."""
    with opened(path) as connection:
        connection.set_busy_timeout(0)
        try:
            connection.execute("UPDATE memories SET content = ?", (content,))
        except apsw.BusyError:
            return False
    return True


def vectors(path: Path) -> dict[str, bytes | None]:
    """Return the stored BLOBs by id."""
    return dict(execute(path, "SELECT id, embedding FROM memories WHERE id IS NOT NULL"))


def embedded(path: Path) -> int:
    """Return how many memories have a vector."""
    return sum(blob is not None for blob in vectors(path).values())


def texts(path: Path) -> dict[str, str]:
    """Return the document of every memory by id."""
    return dict(execute(path, "SELECT id, title || ' ' || content FROM memories WHERE id IS NOT NULL"))


def everything_else(path: Path) -> Mapping[str, object]:
    """Return every row of every table that is not ours, without the vector columns, and the SQL of their schema.

    Each value is its type and its bytes. The insides of the FTS index are left to `integrity`.
    """
    with opened(path) as connection:
        schema = [row for row in connection.execute("SELECT name, sql FROM sqlite_master") if _theirs(row[0])]
        tables = [name for name, sql in schema if sql and sql.startswith("CREATE TABLE")]
        found: dict[str, object] = {
            name: _rows(connection, name) for name in tables if not name.startswith(FTS_INSIDES)
        }
        return {**found, "schema": sorted(schema, key=repr)}


def whole(path: Path) -> Mapping[str, object]:
    """Return every row of every table with its number, as types and bytes, the whole schema, and the journal mode.

    Also of tables of ours, of vectors and of the insides of indexes: two files of which this is equal hold the same.
    Of SQLite's own `sqlite_sequence`, which it never drops, the rows alone.
    """
    with opened(path) as connection:
        schema = list(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))
        tables = [name for kind, name, _, sql in schema if kind == "table" and not sql.startswith("CREATE VIRTUAL")]
        found: dict[str, object] = {name: _all_of(connection, name) for name in tables}
        counted = found.pop("sqlite_sequence", [])
        kept = sorted((row for row in schema if row[1] != "sqlite_sequence"), key=repr)
        mode = list(connection.execute("PRAGMA journal_mode"))
        return {**found, "sqlite_sequence": counted, "schema": kept, "mode": mode}


def _all_of(connection: apsw.Connection, table: str) -> list[tuple[Any, ...]]:
    columns = [f'"{row[1]}"' for row in connection.execute(f'PRAGMA table_xinfo("{table}")')]
    ((without_rowid,),) = connection.execute("SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'", (table,))
    kept = ", ".join(f"typeof({name}), CAST({name} AS BLOB)" for name in columns)
    number = "" if without_rowid else "rowid, "
    return sorted(connection.execute(f'SELECT {number}{kept} FROM "{table}"'), key=repr)


def integrity(path: Path) -> str:
    """Return the answer of SQLite's integrity check, once the FTS index has passed its own."""
    execute(path, "INSERT INTO memories_fts(memories_fts, rank) VALUES ('integrity-check', 1)")
    return str(execute(path, "PRAGMA integrity_check")[0][0])


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold a shared lock of a whole file, as anybody can who may read it."""
    with path.open("rb") as opened:
        fcntl.fcntl(opened, fcntl.F_OFD_SETLK, struct.pack(FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
        yield


@contextmanager
def opened(path: Path) -> Iterator[apsw.Connection]:
    """Open the file on a connection of its own, closed at the end of the block."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    try:
        yield connection
    finally:
        connection.close()


def _insert(connection: apsw.Connection, row_id: str, namespace: str, **columns: str | bytes | int | None) -> None:
    values = {
        "id": row_id,
        "tier": "mid",
        "namespace": namespace,
        "title": f"title {row_id}",
        "content": f"the content of {row_id}",
        "created_at": STAMP,
        "updated_at": STAMP,
        **columns,
    }
    marks = ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT INTO memories ({', '.join(values)}) VALUES ({marks})", values)


def _theirs(name: str) -> bool:
    return not name.startswith(OURS)


def _rows(connection: apsw.Connection, table: str) -> list[tuple[Any, ...]]:
    columns = [str(row[1]) for row in connection.execute(f'PRAGMA table_xinfo("{table}")')]
    if table == "memories":
        columns = ["rowid", *(name for name in columns if name not in VECTOR_COLUMNS)]
    kept = ", ".join(f'typeof("{name}"), CAST("{name}" AS BLOB)' for name in columns)
    return sorted(connection.execute(f'SELECT {kept} FROM "{table}"'), key=repr)


def lengthen_log(path: Path, memory_id: str) -> None:
    """Edit a memory until the log is so long that every commit of ours tries a checkpoint; none is made meanwhile."""
    with opened(path) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF")
        for number in count():
            writer.execute("UPDATE memories SET content = ? WHERE id = ?", (f"the text of {number}", memory_id))
            # Before each page the log has some bytes of its own.
            if log_bytes(path) > 1.1 * LOG_BYTES:
                break
