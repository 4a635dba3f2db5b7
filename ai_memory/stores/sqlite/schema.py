"""Reads what a database file has: its columns, who made it, and whether this program knows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, NotFinished
from ai_memory.frozen import Frozen
from ai_memory.memory.records import OF_VECTOR
from ai_memory.memory.row import Traits
from ai_memory.memory.text_codec import printable
from ai_memory.stores.sqlite.ddl import has_table
from ai_memory.stores.sqlite.expiry import UNEXPIRED

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.connection import Connection

KIND = "SELECT type, wr FROM pragma_table_list('memories') WHERE schema = 'main'"
KINDS = {"view": "a view", "virtual": "a virtual table", "shadow": "the inside of a virtual table"}
COLUMNS = "SELECT name FROM pragma_table_xinfo('memories')"
INDEX_COLUMNS = """
    SELECT l.name, coalesce(group_concat(i.name), '')
    FROM pragma_index_list('memories') AS l, pragma_index_info(l.name) AS i
    WHERE l.partial = 0 GROUP BY l.name
"""
VERSION = "SELECT max(version) FROM schema_version"
COOKIE = "PRAGMA main.schema_version"
MAX_SHOWN = 40
NEWEST_RUST = 101
"""The newest `schema_version` of the Rust program that was looked at (1.0.0 line, 2026-11)."""

REQUIRED = ("id", "namespace", "title", "content", "embedding")
OPTIONAL = {
    "tier": "'mid'",
    "tags": "'[]'",
    "priority": "5",
    "confidence": "1.0",
    "source": "'api'",
    "access_count": "0",
    "created_at": "''",
    "updated_at": "''",
    "last_accessed_at": "NULL",
    "expires_at": "NULL",
    "metadata": "'{}'",
    "lifecycle_state": "'open'",
    "encrypted_envelope": "NULL",
    "embedding_dim": "NULL",
    "embedding_space": "NULL",
}
RECIPIENT = """
    CASE WHEN m.encrypted_envelope IS NOT NULL AND json_valid(m.metadata)
        AND json_type(m.metadata, '$.agent_id') = 'text' THEN json_extract(m.metadata, '$.agent_id') END
"""
LIVE = {
    "expires_at": UNEXPIRED,
    "lifecycle_state": "coalesce(lifecycle_state, 'open') NOT IN ('tombstoned', 'quarantined', 'contaminated')",
}


class Schema(Frozen):
    """What one database file has.

    `rust` says that the Rust program made the file; `version` is its `schema_version`, None in our own.
    `walk_index` says that an index serves the walk by (namespace, id). `cookie` is another number after each change of
    the schema, whoever made it.
    """

    columns: frozenset[str]
    rust: bool
    version: int | None
    walk_index: bool
    has_reembed: bool
    encoding: str
    cookie: int

    @property
    def has_space(self) -> bool:
        """Whether rows carry a stamp of their vector space."""
        return "embedding_space" in self.columns

    @property
    def has_dim(self) -> bool:
        """Whether rows carry the declared width of their vector."""
        return "embedding_dim" in self.columns

    @property
    def traits(self) -> Traits:
        """What rows declare of their vector."""
        return Traits(self.has_space, self.has_dim)

    @property
    def of_vector(self) -> list[str]:
        """The columns that rows have for their vector."""
        return sorted(OF_VECTOR & self.columns)

    @property
    def has_envelope(self) -> bool:
        """Whether rows can be encrypted."""
        return "encrypted_envelope" in self.columns

    @property
    def recipient(self) -> str:
        """The SQL for whose key opens the envelope of a row `m`, NULL where nothing says it."""
        return RECIPIENT if self.has_envelope and "metadata" in self.columns else "NULL"

    def and_envelope(self, mark: str) -> str:
        """Return what else SQL asks of a row that is to get a vector: that it has the envelope bound to `mark`.

        Of a row with a content it asks nothing: that is what was embedded.
        """
        return f"AND (content <> '' OR CAST(encrypted_envelope AS BLOB) IS {mark})" if self.has_envelope else ""


def read_schema(db: Connection) -> Schema:
    """Return what the file has.

    Raises:
        DataRefused: the file has no memories that this program can read.
    """
    _require_table(db)
    columns = frozenset(row[0] for row in db.execute(COLUMNS))
    if missing := [name for name in REQUIRED if name not in columns]:
        lack = f"its memories table lacks {', '.join(missing)}" if columns else "it has no table memories"
        raise DataRefused(f"{db.path} is not an ai-memory database: {lack}.", tip="Name another file with --db PATH.")
    rust = has_table(db, "schema_version")
    return Schema(
        columns=columns,
        rust=rust,
        version=_version(db) if rust else None,
        walk_index=any(names.startswith("namespace,id") for _, names in db.execute(INDEX_COLUMNS)),
        has_reembed=has_table(db, "reembed_run"),
        encoding=db.value("PRAGMA encoding"),
        cookie=db.value(COOKIE),
    )


def require_unaltered(db: Connection, schema: Schema) -> None:
    """Check that nobody has given the file another schema since it was read; one pragma where nobody has.

    Raises:
        NotFinished: somebody has, as a newer release of the Rust program does when it opens the file. What rows have,
            and which of them live, is to be read anew.
        DataRefused: see `require_known`.
    """
    if db.value(COOKIE) == schema.cookie:
        return
    found = read_schema(db)
    if replace(found, cookie=schema.cookie) == schema:
        return
    require_known(db.path, found)
    what = "has another schema"
    if found.version != schema.version:
        what = f"was brought from ai-memory schema {schema.version} to {found.version}"
    raise NotFinished(
        f"{db.path} {what} since this began; what was committed by then stays.", tip="Run the same command again."
    )


def _require_table(db: Connection) -> None:
    for kind, without_rowid in db.execute(KIND):
        if kind != "table" or without_rowid:
            what = KINDS.get(kind, "a table without row numbers")
            raise DataRefused(
                f"{db.path} is not an ai-memory database: its memories are {what}.",
                tip="Name another file with --db PATH.",
            )


def _version(db: Connection) -> int | None:
    version = db.value(VERSION)
    if version is None or isinstance(version, int):
        return version
    raise DataRefused(
        f"{db.path} is damaged: its schema_version is {printable(str(version)[:MAX_SHOWN])}, which is not a number.",
        tip="Restore a backup of the file.",
    )


def require_known(path: Path, schema: Schema) -> None:
    """Check that the Rust program has not brought the file to a schema that nobody here has seen.

    Raises:
        DataRefused: it has; what a vector's columns mean there is unknown, so nothing is written.
    """
    if schema.version is not None and schema.version > NEWEST_RUST:
        raise DataRefused(
            f"{path} has ai-memory schema {schema.version}; this ai-memory knows up to {NEWEST_RUST}.",
            tip="Upgrade it: in a newer checkout, type: pip install .",
        )
