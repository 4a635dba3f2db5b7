-- 1: the memories themselves. Runs only in a file that this program creates: a database of the
--    Rust program ai-memory has these tables already and keeps them as they are.
-- Names, types and defaults are ai-memory's (schema 101) where they overlap. Not STRICT: theirs is not, and
-- their own upgrade must be able to add its columns.

CREATE TABLE memories (
    id                 TEXT PRIMARY KEY NOT NULL,       -- UUID v4 unless the writer chose one
    tier               TEXT NOT NULL CHECK (tier IN ('short', 'mid', 'long')),
    namespace          TEXT NOT NULL DEFAULT 'global',  -- '/'-separated path
    title              TEXT NOT NULL,
    content            TEXT NOT NULL,                   -- '' when encrypted_envelope is set
    tags               TEXT NOT NULL DEFAULT '[]',      -- JSON array of strings
    priority           INTEGER NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 10),
    confidence         REAL NOT NULL DEFAULT 1.0 CHECK (confidence BETWEEN 0.0 AND 1.0),
    source             TEXT NOT NULL DEFAULT 'api',
    access_count       INTEGER NOT NULL DEFAULT 0,
    created_at         TEXT NOT NULL,                   -- RFC 3339
    updated_at         TEXT NOT NULL,                   -- RFC 3339
    last_accessed_at   TEXT,                            -- RFC 3339
    expires_at         TEXT,                            -- RFC 3339; NULL: never
    metadata           TEXT NOT NULL DEFAULT '{}',      -- JSON object
    version            BIGINT NOT NULL DEFAULT 1,       -- grows with every edit
    lifecycle_state    TEXT NOT NULL DEFAULT 'open',
    encrypted_envelope BLOB,
    embedding          BLOB,                            -- 0x01, then float32 little-endian
    embedding_dim      INTEGER,                         -- number of floats in embedding
    embedding_space    TEXT                             -- what the vector may be compared with
);

CREATE UNIQUE INDEX idx_memories_title_ns ON memories (title, namespace);
-- Serves the keyset walk of the migration: one page of one namespace, in id order.
CREATE INDEX idx_memories_ns_id ON memories (namespace, id);
CREATE INDEX idx_memories_updated_at ON memories (updated_at);
CREATE INDEX idx_memories_expires ON memories (expires_at);

CREATE VIRTUAL TABLE memories_fts USING fts5 (
    title, content, tags, content = memories, content_rowid = rowid
);

CREATE TRIGGER memories_ai AFTER INSERT ON memories BEGIN
    INSERT INTO memories_fts (rowid, title, content, tags)
    VALUES (new.rowid, new.title, new.content, new.tags);
END;

CREATE TRIGGER memories_ad AFTER DELETE ON memories BEGIN
    INSERT INTO memories_fts (memories_fts, rowid, title, content, tags)
    VALUES ('delete', old.rowid, old.title, old.content, old.tags);
END;

-- Scoped to the indexed columns: writing a vector must not tokenise the text again.
CREATE TRIGGER memories_au AFTER UPDATE OF title, content, tags ON memories BEGIN
    INSERT INTO memories_fts (memories_fts, rowid, title, content, tags)
    VALUES ('delete', old.rowid, old.title, old.content, old.tags);
    INSERT INTO memories_fts (rowid, title, content, tags)
    VALUES (new.rowid, new.title, new.content, new.tags);
END;
