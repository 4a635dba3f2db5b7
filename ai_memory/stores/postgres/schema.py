"""Reads what a database has: its columns, the form of its vectors, who made it, and whether this program knows it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, NotFinished
from ai_memory.frozen import Frozen
from ai_memory.memory.records import OF_VECTOR
from ai_memory.memory.row import Traits
from ai_memory.stores.postgres.columns import LIVE, OPTIONAL, REQUIRED
from ai_memory.stores.postgres.tables import has_table
from ai_memory.stores.postgres.vector_form import VectorForm

if TYPE_CHECKING:
    from ai_memory.stores.postgres.connection import Connection

KIND = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass('memories')"
KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "p": "a partitioned table"}
# Without those of ours, see `exchange`. atttypmod of pgvector's type is the width itself, -1 where none is declared.
COLUMNS = """
    SELECT attname, format_type(atttypid, NULL), atttypmod FROM pg_attribute
    WHERE attrelid = to_regclass('memories') AND attnum > 0 AND NOT attisdropped AND attname NOT LIKE 'ai\\_memory\\_%'
"""
HIDES_ROWS = "SELECT row_security_active(to_regclass('memories'))"
HAS_VECTOR = "SELECT to_regtype('vector') IS NOT NULL"
VERSION = "SELECT max(version) FROM schema_version"
# Without a change of the schema in between: whoever alters the memories waits from here on until this is committed.
HOLD_SCHEMA = "LOCK TABLE memories IN ACCESS SHARE MODE"
COOKIE = "SELECT xmin::text FROM pg_class WHERE oid = to_regclass('memories')"
OLDEST_RUST, NEWEST_RUST = 54, 101
"""The `schema_version` of the Rust program's PostgreSQL store that were looked at (1.0.0 line, 2026-11)."""

RECIPIENT = """
    CASE WHEN m.encrypted_envelope IS NOT NULL AND jsonb_typeof(m.metadata -> 'agent_id') = 'string'
        THEN m.metadata ->> 'agent_id' END
"""
AND_ENVELOPE = "AND (m.content <> '' OR m.encrypted_envelope IS NOT DISTINCT FROM p.envelope)"
ANOTHER = "Name another database with --db, or make it one: ai-memory init"


class Schema(Frozen):
    """What one database has.

    `rust` says that the Rust program made it; `version` is its `schema_version`, None in our own.
    `hides_rows`: a policy says which memories this user may see. `cookie` is another one after each change of the
    table of the memories.
    """

    columns: frozenset[str]
    form: VectorForm
    rust: bool
    version: int | None
    has_reembed: bool
    cookie: str
    hides_rows: bool = False

    @property
    def traits(self) -> Traits:
        """What rows declare of their vector."""
        return Traits("embedding_space" in self.columns, "embedding_dim" in self.columns)

    @property
    def of_vector(self) -> list[str]:
        """The columns that rows have for their vector."""
        return sorted(OF_VECTOR & self.columns)

    def column(self, name: str) -> str:
        """Return SQL for a column of the memories `m`, of what an older database lacks its default."""
        return f"m.{name}" if name in self.columns or name not in OPTIONAL else OPTIONAL[name]

    @property
    def live(self) -> str:
        """SQL that tells whether a memory `m` is live."""
        return " AND ".join(["true", *(condition for name, condition in LIVE.items() if name in self.columns)])

    @property
    def recipient(self) -> str:
        """SQL for whose key opens the envelope of a memory `m`, NULL where nothing says it."""
        return RECIPIENT if {"encrypted_envelope", "metadata"} <= self.columns else "NULL::text"

    @property
    def and_envelope(self) -> str:
        """What else SQL asks of a memory `m` that is to get the vector of a pending `p`: the envelope that was read.

        Of a memory with a content it asks nothing: that is what was embedded.
        """
        return AND_ENVELOPE if "encrypted_envelope" in self.columns else ""

    @property
    def text_hash(self) -> str:
        """SQL for what identifies the present text of a memory `m`; see `embedding_staged.text_hash`."""
        return f"sha256({self.plain_hash} || sha256(coalesce({self.column('encrypted_envelope')}, '')))"

    @property
    def plain_hash(self) -> str:
        """SQL for title and content of a memory `m`, each by its own hash: else a letter could move to the other."""
        return "(sha256(convert_to(m.title, 'UTF8')) || sha256(convert_to(m.content, 'UTF8')))"


def plain_hash(title: str, content: str) -> bytes:
    """Return what `Schema.plain_hash` says of these texts."""
    return sha256(title.encode()).digest() + sha256(content.encode()).digest()


def read_schema(db: Connection) -> Schema:
    """Return what the database has.

    Raises:
        DataRefused: it has no memories that this program can read.
    """
    kind = db.value(KIND)
    if kind in KINDS:
        raise DataRefused(f"{db.name} is not an ai-memory database: its memories are {KINDS[kind]}.", tip=ANOTHER)
    types = {name: (kind, width) for name, kind, width in db.execute(COLUMNS)}
    if missing := [name for name in REQUIRED if name not in types]:
        lack = f"its memories table lacks {', '.join(missing)}" if types else "it has no table memories"
        raise DataRefused(f"{db.name} is not an ai-memory database: {lack}.", tip=ANOTHER)
    rust = has_table(db, "schema_version")
    return Schema(
        columns=frozenset(types),
        form=_form(db, *types["embedding"]),
        rust=rust,
        version=db.value(VERSION) if rust else None,
        has_reembed=has_table(db, "reembed_run"),
        cookie=db.value(COOKIE),
        hides_rows=bool(db.value(HIDES_ROWS)),
    )


def require_unaltered(db: Connection, schema: Schema) -> None:
    """Check that nobody has given the memories another schema since it was read, and hold it until the commit.

    Raises:
        NotFinished: somebody has, as a newer release of the Rust program does when it connects. What rows have, and
            which of them live, is to be read anew.
        DataRefused: see `require_known`.
    """
    db.execute(HOLD_SCHEMA)
    version = db.value(VERSION) if schema.rust else None
    if db.value(COOKIE) == schema.cookie and version == schema.version:
        return
    found = read_schema(db)
    if replace(found, cookie=schema.cookie) == schema:
        return
    require_known(db.name, found)
    what = "has another schema"
    if found.version != schema.version:
        what = f"was brought from ai-memory schema {schema.version} to {found.version}"
    raise NotFinished(
        f"{db.name} {what} since this began; what was committed by then stays.", tip="Run the same command again."
    )


def form_of_new(db: Connection) -> VectorForm:
    """Return in which form vectors stand in memories that are made: of any width, of pgvector where that is there."""
    return VectorForm(pgvector=bool(db.value(HAS_VECTOR)))


def _form(db: Connection, kind: str, width: int) -> VectorForm:
    name = kind.rpartition(".")[2]
    if name == "bytea":
        return VectorForm(pgvector=False)
    if name == "vector":
        return VectorForm(pgvector=True, width=width if width > 0 else None)
    raise DataRefused(
        f"{db.name} is not an ai-memory database: its vectors are of the type {kind}.",
        tip="This ai-memory knows vector and bytea.",
    )


def require_known(name: str, schema: Schema) -> None:
    """Check that the Rust program has not brought the database to a schema that nobody here has seen.

    Raises:
        DataRefused: it has; what a vector's columns mean there is unknown, so nothing is written. Or rows may be hidden
            from this user: nobody could say of a run that all are done.
    """
    version = schema.version
    if schema.hides_rows:
        raise DataRefused(
            f"{name}: row-level security may hide memories from this user.",
            tip="Connect as a user whom no policy of the table memories binds: its owner, or one with BYPASSRLS.",
        )
    if version is not None and version > NEWEST_RUST:
        raise DataRefused(
            f"{name} has ai-memory schema {version}; this ai-memory knows up to {NEWEST_RUST}.",
            tip="Upgrade it: in a newer checkout, type: pip install .",
        )
    if version is not None and version < OLDEST_RUST:
        raise DataRefused(
            f"{name} has ai-memory schema {version}; this ai-memory knows {OLDEST_RUST} to {NEWEST_RUST} there.",
            tip="Let its own program bring it up to date first.",
        )
