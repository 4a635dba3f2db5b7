"""Databases of our own for tests, and what stands in them, by the standard library's sqlite3 alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ai_memory.store.opening import writing

VECTOR_COLUMNS = frozenset({"embedding", "embedding_dim", "embedding_space"})
OURS = ("reembed_", "embedding_", "sqlite_sequence", "sqlite_autoindex_reembed", "sqlite_autoindex_embedding")
FTS_INSIDES = "memories_fts_"
STAMP = "2026-01-02T03:04:05+00:00"


def create(path: Path, rows: int = 10, *, namespaces: Sequence[str] = ("a", "b")) -> Path:
    """Make a database with rows `id-000`, `id-001`, … in turn in each of the namespaces; none has a vector."""
    with writing(path, now_ms=0, create=True):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        for number in range(rows):
            insert(connection, f"id-{number:03}", namespaces[number % len(namespaces)])
    return path


def insert(connection: sqlite3.Connection, row_id: str | None, namespace: str = "a", **columns: Any) -> None:  # noqa: ANN401
    """Insert one memory; `columns` stand above what it would have."""
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


def add(path: Path, row_id: str, namespace: str = "a", **columns: Any) -> None:  # noqa: ANN401
    """Insert one memory as another process would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        insert(connection, row_id, namespace, **columns)


def execute(path: Path, sql: str, *bindings: object) -> list[tuple[Any, ...]]:
    """Run one statement as another process would and return its rows."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql, bindings).fetchall()


def edit(path: Path, row_id: str, content: str) -> None:
    """Change a content as another program would, which knows nothing of vectors."""
    execute(path, "UPDATE memories SET content = ? WHERE id = ?", content, row_id)


def vectors(path: Path) -> dict[str, bytes | None]:
    """Return the stored BLOBs by id."""
    return dict(execute(path, "SELECT id, embedding FROM memories WHERE id IS NOT NULL"))


def texts(path: Path) -> dict[str, str]:
    """Return the document of every memory by id."""
    return dict(execute(path, "SELECT id, title || ' ' || content FROM memories WHERE id IS NOT NULL"))


def everything_else(path: Path) -> Mapping[str, object]:
    """Return every row of every table that is not ours, without the vector columns, and the SQL of their schema.

    The insides of the FTS index are left to `integrity`. Texts are bytes, since they may be no UTF-8.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        schema = [row for row in connection.execute("SELECT name, sql FROM sqlite_master") if _theirs(row[0])]
        tables = [name.decode() for name, sql in schema if sql and sql.startswith(b"CREATE TABLE")]
        found: dict[str, object] = {
            name: _rows(connection, name) for name in tables if not name.startswith(FTS_INSIDES)
        }
        return {**found, "schema": sorted(schema, key=repr)}


def integrity(path: Path) -> str:
    """Return the answer of SQLite's integrity check, which examines the FTS index as well."""
    execute(path, "INSERT INTO memories_fts(memories_fts, rank) VALUES ('integrity-check', 1)")
    return str(execute(path, "PRAGMA integrity_check")[0][0])


def _theirs(name: bytes) -> bool:
    return not name.decode().startswith(OURS)


def _rows(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    columns = [row[1].decode() for row in connection.execute(f"PRAGMA table_xinfo({table})")]
    if table == "memories":
        columns = ["rowid", *(name for name in columns if name not in VECTOR_COLUMNS)]
    kept = ", ".join(f'"{name}"' for name in columns)
    return sorted(connection.execute(f"SELECT {kept} FROM {table}"), key=repr)
