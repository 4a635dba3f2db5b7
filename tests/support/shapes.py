"""Builds databases of the shapes that ai-memory's releases leave on disk.

Shapes (facts: the DDL of databases made by releases 0.7.0 and 0.10.0; later columns from the 1.0.0 source):

    52   the last with `memories_au` on EVERY update: writing a vector re-tokenises the row
    57   release 0.7.0
    80   release 0.10.0: lifecycle_state, cid, valid_from …; the table `checkpoints`
    84   embedding_space and its index
    96   the table embed_skip, and the trigger by which a vector takes its row out of it
    101  newest of the 1.0.0 line

`build` uses the standard library's sqlite3 and none of our own code, so that a fault in the store
cannot hide in its own fixture.
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import struct
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSIONS = (52, 57, 80, 84, 96, 101)
DIM = 384
SPACE = "sentence-transformers/all-minilm-l6-v2#none"
CREATED = "2026-01-02T03:04:05.678901234+00:00"
LONG_AGO = "2001-01-01T00:00:00+00:00"
FAR_AHEAD = "2099-01-01T00:00:00+00:00"
NAMESPACES = ("global", "team/research", "team/research/notes", "inbox-zero", "Team/Research")

PLAIN = "plain"
"""A row with a text and, every second time, a vector of DIM floats of unknown text."""
LEGACY = "legacy"
"""Its vector has no header byte."""
MALFORMED = "malformed"
"""Its BLOB is no vector: a wrong length, an unknown header byte, a false embedding_dim, nothing at all."""
EXPIRED = "expired"
TOMBSTONED = "tombstoned"
"""Out of life by lifecycle_state (from 80 on): tombstoned, quarantined, contaminated."""
SUBSTRATE = "substrate"
ENCRYPTED = "encrypted"
NULL_ID = "null_id"
UNDECODABLE = "undecodable"
"""Its content, or its title, is not UTF-8."""
EMPTY = "empty"
"""Title and content are empty."""
OVERSIZE = "oversize"
"""Its document is longer than 65,536 bytes."""
KINDS = frozenset(
    {PLAIN, LEGACY, MALFORMED, EXPIRED, TOMBSTONED, SUBSTRATE, ENCRYPTED, NULL_ID, UNDECODABLE, EMPTY, OVERSIZE}
)
EMBEDDABLE = frozenset({PLAIN, LEGACY, MALFORMED})
"""The kinds whose rows a sweep can bring to the target."""
NOT_LIVE = frozenset({EXPIRED, TOMBSTONED, SUBSTRATE})
"""The kinds that a sweep leaves alone."""

_MEMORIES = """
CREATE TABLE memories (
    id TEXT PRIMARY KEY,
    tier TEXT NOT NULL,
    namespace TEXT NOT NULL DEFAULT 'global',
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]',
    priority INTEGER NOT NULL DEFAULT 5,
    confidence REAL NOT NULL DEFAULT 1.0,
    source TEXT NOT NULL DEFAULT 'api',
    access_count INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    last_accessed_at TEXT,
    expires_at TEXT,
    metadata TEXT NOT NULL DEFAULT '{}',
    reflection_depth INTEGER NOT NULL DEFAULT 0,
    memory_kind TEXT NOT NULL DEFAULT 'observation',
    atomised_into INTEGER,
    atom_of TEXT REFERENCES memories(id),
    entity_id TEXT,
    persona_version INTEGER,
    citations TEXT NOT NULL DEFAULT '[]',
    source_uri TEXT,
    source_span TEXT,
    confidence_source TEXT NOT NULL DEFAULT 'caller_provided',
    confidence_signals TEXT,
    confidence_decayed_at TEXT,
    mentioned_entity_id TEXT,
    encrypted_envelope BLOB,
    version BIGINT NOT NULL DEFAULT 1
);
ALTER TABLE memories ADD COLUMN embedding BLOB;
ALTER TABLE memories ADD COLUMN scope_idx TEXT GENERATED ALWAYS AS (
    CASE WHEN json_valid(metadata) THEN COALESCE(json_extract(metadata, '$.scope'), 'private') ELSE 'private' END
) VIRTUAL;
ALTER TABLE memories ADD COLUMN agent_id_idx TEXT GENERATED ALWAYS AS (
    CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.agent_id') ELSE NULL END
) VIRTUAL;
ALTER TABLE memories ADD COLUMN embedding_dim INTEGER;
CREATE INDEX idx_memories_tier ON memories(tier);
CREATE INDEX idx_memories_namespace ON memories(namespace);
CREATE INDEX idx_memories_priority ON memories(priority DESC);
CREATE INDEX idx_memories_expires ON memories(expires_at);
CREATE INDEX idx_memories_updated_at ON memories(updated_at);
CREATE INDEX idx_memories_list_order ON memories(priority DESC, updated_at DESC);
CREATE INDEX idx_memories_ns_list_order ON memories(namespace, priority DESC, updated_at DESC);
CREATE UNIQUE INDEX idx_memories_title_ns ON memories(title, namespace);
CREATE INDEX idx_memories_scope_idx ON memories(scope_idx);
CREATE INDEX idx_memories_agent_id ON memories(agent_id_idx);
CREATE INDEX idx_memories_created_at ON memories(created_at);
CREATE INDEX idx_memories_embedding_dim ON memories(embedding_dim) WHERE embedding_dim IS NOT NULL;
CREATE INDEX idx_memories_ns_dim ON memories(namespace, embedding_dim) WHERE embedding_dim IS NOT NULL;
CREATE INDEX idx_memories_memory_kind ON memories(memory_kind);
CREATE INDEX idx_memories_atom_of ON memories(atom_of) WHERE atom_of IS NOT NULL;
CREATE TABLE memory_links (
    source_id TEXT NOT NULL REFERENCES memories(id) ON DELETE CASCADE,
    target_id TEXT NOT NULL REFERENCES memories(id) ON DELETE CASCADE,
    relation TEXT NOT NULL DEFAULT 'related_to',
    created_at TEXT NOT NULL,
    PRIMARY KEY (source_id, target_id, relation)
);
CREATE TABLE archived_memories (
    id TEXT PRIMARY KEY, tier TEXT NOT NULL, namespace TEXT NOT NULL DEFAULT 'global', title TEXT NOT NULL,
    content TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, archived_at TEXT NOT NULL,
    archive_reason TEXT NOT NULL DEFAULT 'ttl_expired', embedding BLOB, embedding_dim INTEGER
);
CREATE TABLE schema_version (version INTEGER NOT NULL);
"""

_FTS = """
CREATE VIRTUAL TABLE memories_fts USING fts5(title, content, tags, content=memories, content_rowid=rowid);
CREATE TRIGGER memories_ai AFTER INSERT ON memories BEGIN
    INSERT INTO memories_fts(rowid, title, content, tags) VALUES (new.rowid, new.title, new.content, new.tags);
END;
CREATE TRIGGER memories_ad AFTER DELETE ON memories BEGIN
    INSERT INTO memories_fts(memories_fts, rowid, title, content, tags)
    VALUES ('delete', old.rowid, old.title, old.content, old.tags);
END;
CREATE TRIGGER memories_au AFTER UPDATE{scope} ON memories BEGIN
    INSERT INTO memories_fts(memories_fts, rowid, title, content, tags)
    VALUES ('delete', old.rowid, old.title, old.content, old.tags);
    INSERT INTO memories_fts(rowid, title, content, tags) VALUES (new.rowid, new.title, new.content, new.tags);
END;
"""

_TIER_CHECK = """
CREATE TRIGGER memories_ck_tier_upd BEFORE UPDATE OF tier ON memories FOR EACH ROW
WHEN NEW.tier NOT IN ('short', 'mid', 'long')
BEGIN
    SELECT RAISE(ABORT, 'CHECK constraint failed: memories.tier must be one of short/mid/long');
END;
"""

_ADDED = {
    57: _TIER_CHECK,
    80: """
ALTER TABLE memories ADD COLUMN lifecycle_state TEXT NOT NULL DEFAULT 'open';
ALTER TABLE memories ADD COLUMN target_agent_id_idx TEXT GENERATED ALWAYS AS (
    CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.target_agent_id') ELSE NULL END
) VIRTUAL;
ALTER TABLE memories ADD COLUMN cid TEXT;
ALTER TABLE memories ADD COLUMN cid_genesis BLOB;
ALTER TABLE memories ADD COLUMN kind_provenance TEXT;
ALTER TABLE memories ADD COLUMN valid_from TEXT;
ALTER TABLE memories ADD COLUMN valid_until TEXT;
CREATE INDEX idx_memories_target_agent_id ON memories(target_agent_id_idx);
CREATE INDEX idx_memories_cid ON memories(cid);
CREATE TABLE checkpoints (
    id TEXT PRIMARY KEY, namespace TEXT NOT NULL, title TEXT NOT NULL, condition_type TEXT NOT NULL,
    condition TEXT NOT NULL DEFAULT '{}', state TEXT NOT NULL, created_by TEXT NOT NULL, created_at INTEGER NOT NULL
);
""",
    84: """
ALTER TABLE memories ADD COLUMN embedding_space TEXT;
CREATE INDEX idx_memories_embedding_space ON memories(embedding_space) WHERE embedding_space IS NOT NULL;
ALTER TABLE archived_memories ADD COLUMN embedding_space TEXT;
""",
    96: """
CREATE TABLE embed_skip (
    memory_id TEXT PRIMARY KEY, agent_id TEXT, key_fingerprint TEXT,
    reason TEXT NOT NULL CHECK (reason IN ('undecryptable', 'oversize')), created_at TEXT NOT NULL
);
CREATE TRIGGER memories_embed_skip_clear AFTER UPDATE OF content, encrypted_envelope, embedding ON memories BEGIN
    DELETE FROM embed_skip WHERE memory_id = NEW.id;
END;
""",
    101: "",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is put into a shape.

    `title` and `content` are bytes where they are not UTF-8. `blob` is the stored vector, None
    where there is none; `dim` and `space` are what the row declares of it.
    """

    kind: str
    id: str | None
    namespace: str
    title: str | bytes
    content: str | bytes
    blob: bytes | None = None
    dim: int | None = None
    space: str | None = None
    expires_at: str | None = None
    lifecycle_state: str = "open"
    envelope: bytes | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shape:
    """A database that was built: its file, its version and the truth about its rows."""

    path: Path
    version: int
    rows: tuple[Row, ...]

    def of_kind(self, *kinds: str) -> tuple[Row, ...]:
        """Return the rows of these kinds, in the order they were inserted."""
        return tuple(row for row in self.rows if row.kind in kinds)

    @property
    def has_space_column(self) -> bool:
        """Whether `memories` has the column embedding_space."""
        return self.version >= 84


def build(
    path: Path, version: int, *, rows: int = 12, kinds: Collection[str] = KINDS, unscoped_fts: bool | None = None
) -> Shape:
    """Create a database of `version` with `rows` plain rows and a few of every other kind in `kinds`.

    `unscoped_fts` None means what the version had: below 53 the trigger fires on every update.
    Two calls with the same arguments give the same rows.
    """
    known = KINDS if version >= 80 else KINDS - {TOMBSTONED}
    made = tuple(row for row in _all_rows(rows) if row.kind in known and row.kind in kinds)
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(_schema(version, version < 53 if unscoped_fts is None else unscoped_fts))
        for row in made:
            _insert(connection, row, version)
        connection.execute("INSERT INTO schema_version(version) VALUES (?)", (version,))
        _archive(connection)
        if version >= 96:
            _skip(connection, made)
        connection.commit()
    finally:
        connection.close()
    return Shape(path, version, made)


def upgrade(path: Path, since: int, version: int) -> None:
    """Bring a database to a later version, as the program does in one transaction when it opens one."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        connection.execute("BEGIN IMMEDIATE")
        for each, text in sorted(_ADDED.items()):
            for statement in _statements(text) if since < each <= version else ():
                connection.execute(statement)
        connection.execute("INSERT INTO schema_version(version) VALUES (?)", (version,))
        connection.execute("COMMIT")
    finally:
        connection.close()


def _statements(text: str) -> Iterator[str]:
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def vector_blob(text: str, *, dim: int = DIM, header: bytes = b"\x01") -> bytes:
    """Return the BLOB of a unit vector that only depends on `text`."""
    source = random.Random(hashlib.sha256(text.encode()).digest())
    values = [source.gauss(0.0, 1.0) for _ in range(dim)]
    norm = sum(value * value for value in values) ** 0.5
    return header + struct.pack(f"<{dim}f", *(value / norm for value in values))


def _schema(version: int, unscoped: bool) -> str:
    added = "".join(text for since, text in sorted(_ADDED.items()) if since <= version)
    return _MEMORIES + _FTS.format(scope="" if unscoped else " OF title, content, tags") + added


def _all_rows(count: int) -> Iterator[Row]:
    yield from (_plain(number) for number in range(count))
    yield _vectored(LEGACY, "legacy", vector_blob("legacy", header=b""))
    yield from _malformed()
    yield _vectored(EXPIRED, "expired", vector_blob("expired"), expires_at=LONG_AGO)
    for state in ("tombstoned", "quarantined", "contaminated"):
        yield _vectored(TOMBSTONED, state, vector_blob(state), lifecycle_state=state)
    for namespace in ("_agents", "_messages/agent-b", "_curator/reports", "_subscriptions/x"):
        yield Row(SUBSTRATE, _id(namespace), namespace, f"substrate {namespace}", "Written by the program itself.")
    yield _encrypted("sealed")
    yield Row(NULL_ID, None, "global", "no id", "A TEXT PRIMARY KEY may be NULL.")
    yield Row(UNDECODABLE, _id("bad content"), "global", "bad content", b"caf\xe9 \xff\xfe")
    yield Row(UNDECODABLE, _id("bad title"), "global", b"\xc3\x28 bad title", "The title is not UTF-8.")
    yield Row(EMPTY, _id("empty"), "global", "", "")
    yield Row(OVERSIZE, _id("oversize"), "global", "oversize", "long text " * 7000)


def _plain(number: int) -> Row:
    namespace = NAMESPACES[number % len(NAMESPACES)]
    title, content = f"Note {number}", f'The content of note {number}: naïve 🐍 "quoted"\nsecond line.'
    ahead = FAR_AHEAD if number % 3 == 0 else None
    if number % 2:
        return Row(PLAIN, _id(title), namespace, title, content, expires_at=ahead)
    return Row(PLAIN, _id(title), namespace, title, content, vector_blob(title), DIM, SPACE, ahead)


def _malformed() -> Iterator[Row]:
    whole = vector_blob("malformed")
    yield _vectored(MALFORMED, "odd length", whole[:-2])
    yield _vectored(MALFORMED, "unknown header", b"\x02" + whole[1:])
    yield _vectored(MALFORMED, "false dim", whole, dim=768)
    yield _vectored(MALFORMED, "nothing", b"")


def _vectored(
    kind: str, title: str, blob: bytes, *, dim: int = DIM, expires_at: str | None = None, lifecycle_state: str = "open"
) -> Row:
    content = f"The content of the {title} row."
    return Row(kind, _id(title), "odd/rows", title, content, blob, dim, SPACE, expires_at, lifecycle_state)


def _encrypted(title: str) -> Row:
    envelope = b"\x02" + hashlib.sha512(title.encode()).digest() + bytes(12)
    metadata = {"agent_id": "agent-a"}
    blob = vector_blob(title)
    return Row(ENCRYPTED, _id(title), "vault", title, "", blob, DIM, SPACE, envelope=envelope, metadata=metadata)


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def _insert(connection: sqlite3.Connection, row: Row, version: int) -> None:
    values: dict[str, Any] = {
        "id": row.id,
        "tier": "long",
        "namespace": row.namespace,
        "title": row.title,
        "content": row.content,
        "created_at": CREATED,
        "updated_at": CREATED,
        "expires_at": row.expires_at,
        "metadata": json.dumps(row.metadata),
        "encrypted_envelope": row.envelope,
        "embedding": row.blob,
        "embedding_dim": row.dim,
    }
    if version >= 80:
        values["lifecycle_state"] = row.lifecycle_state
    if version >= 84:
        values["embedding_space"] = row.space
    marks = (f"CAST(:{name} AS TEXT)" if name in ("title", "content") else f":{name}" for name in values)
    connection.execute(f"INSERT INTO memories({', '.join(values)}) VALUES ({', '.join(marks)})", values)


def _skip(connection: sqlite3.Connection, rows: Collection[Row]) -> None:
    """Enter which rows the program itself could not embed."""
    reasons = {ENCRYPTED: "undecryptable", OVERSIZE: "oversize"}
    connection.executemany(
        "INSERT INTO embed_skip VALUES (?, 'agent-a', NULL, ?, ?)",
        [(row.id, reasons[row.kind], CREATED) for row in rows if row.kind in reasons],
    )


def _archive(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO archived_memories(id, tier, title, content, created_at, updated_at, archived_at, embedding,"
        " embedding_dim) VALUES ('archived', 'mid', 'archived', 'Never touched.', ?1, ?1, ?1, ?2, ?3)",
        (CREATED, vector_blob("archived"), DIM),
    )
