-- 1: the memories themselves. Runs only in a database that has none yet: one of the Rust program ai-memory has these
--    tables already and keeps them as they are. Names, types and defaults are ai-memory's (schema 101) where they overlap.
--    In the first schema of the user's search path. The column of the vectors is added by whoever runs this: of the type
--    that pgvector has, or BYTEA.

CREATE TABLE memories (
    id                 TEXT PRIMARY KEY,                -- UUID v4 unless the writer chose one
    tier               TEXT NOT NULL CHECK (tier IN ('short', 'mid', 'long')),
    namespace          TEXT NOT NULL DEFAULT 'global',  -- '/'-separated path
    title              TEXT NOT NULL,
    content            TEXT NOT NULL,                   -- '' when encrypted_envelope is set
    tags               JSONB NOT NULL DEFAULT '[]',
    priority           INTEGER NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 10),
    confidence         DOUBLE PRECISION NOT NULL DEFAULT 1.0 CHECK (confidence BETWEEN 0.0 AND 1.0),
    source             TEXT NOT NULL DEFAULT 'api',
    access_count       BIGINT NOT NULL DEFAULT 0,
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL,
    last_accessed_at   TIMESTAMPTZ,
    expires_at         TIMESTAMPTZ,                     -- NULL: never
    metadata           JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    version            BIGINT NOT NULL DEFAULT 1,       -- grows with every edit
    lifecycle_state    TEXT NOT NULL DEFAULT 'open',
    encrypted_envelope BYTEA,
    embedding_dim      INTEGER,                         -- number of floats in embedding
    embedding_space    TEXT,                            -- what the vector may be compared with
    tsv                TSVECTOR GENERATED ALWAYS AS (
        setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', content), 'B')
    ) STORED
);

CREATE UNIQUE INDEX memories_title_ns_uidx ON memories (title, namespace);
-- Serves the keyset walk of the migration: one page of one namespace, in id order.
CREATE INDEX idx_memories_ns_id ON memories (namespace, id);
CREATE INDEX idx_memories_updated_at ON memories (updated_at);
CREATE INDEX idx_memories_expires ON memories (expires_at);
CREATE INDEX idx_memories_tsv ON memories USING gin (tsv);
