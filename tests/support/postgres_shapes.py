"""What the Rust program's PostgreSQL store has in a database, by its schema: 54 to 101, with pgvector or without.

    54   the oldest that is adopted
    84   embedding_space, on the memories and in the archive
    96   the table embed_skip and the trigger that takes a memory out of it
    100  titles are unique among live memories alone
    101  newest of the 1.0.0 line

None of our own code, so that a fault in the store cannot hide in its own fixture.
"""

from __future__ import annotations

from collections.abc import Iterator

VERSIONS = (54, 84, 96, 100, 101)
STAMP = "2026-01-02T03:04:05+00:00"

MEMORIES = """
    CREATE TABLE memories (
        id TEXT PRIMARY KEY,
        tier TEXT NOT NULL,
        namespace TEXT NOT NULL DEFAULT 'global',
        title TEXT NOT NULL,
        content TEXT NOT NULL,
        tags JSONB NOT NULL DEFAULT '[]'::jsonb,
        priority INTEGER NOT NULL DEFAULT 5,
        confidence DOUBLE PRECISION NOT NULL DEFAULT 1.0,
        source TEXT NOT NULL DEFAULT 'api',
        access_count BIGINT NOT NULL DEFAULT 0,
        created_at TIMESTAMPTZ NOT NULL,
        updated_at TIMESTAMPTZ NOT NULL,
        last_accessed_at TIMESTAMPTZ,
        expires_at TIMESTAMPTZ,
        metadata JSONB NOT NULL DEFAULT '{{}}'::jsonb CHECK (jsonb_typeof(metadata) = 'object'),
        version BIGINT NOT NULL DEFAULT 1,
        lifecycle_state TEXT NOT NULL DEFAULT 'open',
        atom_of TEXT REFERENCES memories (id) DEFERRABLE,
        encrypted_envelope BYTEA,
        embedding {vector},
        embedding_dim INTEGER,
        scope_idx TEXT GENERATED ALWAYS AS (coalesce(metadata ->> 'scope', 'private')) STORED,
        agent_id_idx TEXT GENERATED ALWAYS AS (metadata ->> 'agent_id') STORED,
        target_agent_id_idx TEXT GENERATED ALWAYS AS (metadata ->> 'target_agent_id') STORED,
        tsv TSVECTOR GENERATED ALWAYS AS (
            setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', content), 'B')
        ) STORED
    )
"""
ARCHIVE = """
    CREATE TABLE archived_memories (
        id TEXT PRIMARY KEY, tier TEXT NOT NULL, namespace TEXT NOT NULL DEFAULT 'global', title TEXT NOT NULL,
        content TEXT NOT NULL, created_at TIMESTAMPTZ NOT NULL, updated_at TIMESTAMPTZ NOT NULL,
        archived_at TIMESTAMPTZ NOT NULL, archive_reason TEXT NOT NULL DEFAULT 'ttl_expired',
        embedding {vector}, embedding_dim INTEGER
    )
"""
LINKS = """
    CREATE TABLE memory_links (
        source_id TEXT NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
        target_id TEXT NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
        relation TEXT NOT NULL DEFAULT 'related_to',
        created_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (source_id, target_id, relation)
    )
"""
INDEXES = (
    "CREATE INDEX idx_memories_embedding_dim ON memories (embedding_dim) WHERE embedding_dim IS NOT NULL",
    "CREATE INDEX idx_memories_ns_dim ON memories (namespace, embedding_dim) WHERE embedding_dim IS NOT NULL",
    "CREATE INDEX idx_memories_namespace ON memories (namespace)",
    "CREATE INDEX idx_memories_expires ON memories (expires_at)",
    "CREATE INDEX idx_memories_updated_at ON memories (updated_at)",
    "CREATE INDEX idx_memories_tags ON memories USING gin (tags)",
    "CREATE INDEX idx_memories_metadata ON memories USING gin (metadata)",
    "CREATE INDEX idx_memories_tsv ON memories USING gin (tsv)",
)
HNSW = "CREATE INDEX memories_embedding_hnsw ON memories USING hnsw (embedding vector_cosine_ops)"
TITLES = "CREATE UNIQUE INDEX memories_title_ns_uidx ON memories (title, namespace)"
LIVE_TITLES = f"{TITLES} WHERE lifecycle_state = 'open'"
SPACES = (
    "ALTER TABLE memories ADD COLUMN embedding_space TEXT",
    "ALTER TABLE archived_memories ADD COLUMN embedding_space TEXT",
    "CREATE INDEX idx_memories_embedding_space ON memories (embedding_space) WHERE embedding_space IS NOT NULL",
)
SKIPPED = (
    """
    CREATE TABLE embed_skip (
        memory_id TEXT PRIMARY KEY, agent_id TEXT, key_fingerprint TEXT,
        reason TEXT NOT NULL CHECK (reason IN ('undecryptable', 'oversize')), created_at TIMESTAMPTZ NOT NULL
    )
    """,
    """
    CREATE FUNCTION memories_embed_skip_clear() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM embed_skip WHERE memory_id = new.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER memories_embed_skip_clear AFTER UPDATE OF content, encrypted_envelope, embedding ON memories
    FOR EACH ROW EXECUTE FUNCTION memories_embed_skip_clear()
    """,
)
VERSION = "CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"


def statements(version: int = 101, *, width: int | None = None) -> Iterator[str]:
    """Yield what makes such a database: with vectors of one width, or with BYTEA where there is no pgvector (None)."""
    if width is not None:
        yield "CREATE EXTENSION vector"
    vector = "BYTEA" if width is None else f"vector({width})"
    yield MEMORIES.format(vector=vector)
    yield ARCHIVE.format(vector=vector)
    yield LINKS
    yield from INDEXES
    if width is not None:
        yield HNSW
    yield LIVE_TITLES if version >= 100 else TITLES
    if version >= 84:
        yield from SPACES
    if version >= 96:
        yield from SKIPPED
    yield VERSION
    yield f"INSERT INTO schema_version (version) VALUES ({version})"


def memories(rows: int, *, namespaces: tuple[str, ...] = ("a", "b")) -> Iterator[str]:
    """Yield what stores so many memories `id-000`, `id-001`, … in turn in each of the namespaces, without vectors."""
    for number in range(rows):
        row_id, namespace = f"id-{number:03}", namespaces[number % len(namespaces)]
        values = f"'{row_id}', 'mid', '{namespace}', 'title {row_id}', 'the content of {row_id}', '{STAMP}', '{STAMP}'"
        yield (f"INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at) VALUES ({values})")
