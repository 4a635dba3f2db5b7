-- 2: what the migration of vectors remembers. These tables are ours in every file, also in one of the
--    Rust program; none of its tables is altered. Times (…_at, …_until) are Unix milliseconds, UTC.

-- A target: everything that changes a vector. Stored once, referenced by its small id.
CREATE TABLE embedding_fingerprint (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,      -- sha256 of spec_json
    spec_json  TEXT NOT NULL,             -- canonical JSON: sorted keys, no blanks
    space      TEXT NOT NULL,             -- as in memories.embedding_space
    dim        INTEGER NOT NULL,
    witness    BLOB,                      -- vectors of the fixed witness texts, float32 little-endian, one after the other
    created_at INTEGER NOT NULL
) STRICT;

-- Where the vector of a memory comes from; written in the transaction that writes the vector.
CREATE TABLE embedding_provenance (
    memory_id      TEXT PRIMARY KEY NOT NULL,
    fingerprint_id INTEGER NOT NULL REFERENCES embedding_fingerprint (id),
    src            BLOB NOT NULL,         -- 16-byte BLAKE2b of the document embedded
    head           BLOB NOT NULL,         -- length and first 16 vector bytes of the BLOB
    origin         TEXT NOT NULL CHECK (origin IN ('store', 'import', 'backfill', 'reembed', 'attested'))
) STRICT, WITHOUT ROWID;

-- Finds the vector of an identical text, so that it need not be sent again.
CREATE INDEX embedding_provenance_by_src ON embedding_provenance (src);

-- One migration of a scope to a target.
CREATE TABLE reembed_run (
    run_id           INTEGER PRIMARY KEY AUTOINCREMENT,
    target           INTEGER NOT NULL REFERENCES embedding_fingerprint (id),
    target_model     TEXT NOT NULL,           -- the configured name, for people
    scope_json       TEXT NOT NULL,           -- JSON array of exact namespaces; null: all but the substrate's
    state            TEXT NOT NULL CHECK (state IN ('running', 'paused', 'done', 'cancelled', 'superseded')),
    pass             INTEGER NOT NULL DEFAULT 1,
    fence            INTEGER NOT NULL DEFAULT 0,  -- grows with every taking of the lock; every commit carries it
    holder_json      TEXT,                    -- who runs it; stays after a kill, removed by a clean stop
    in_flight_limit  INTEGER NOT NULL DEFAULT 0,  -- most texts sent and not yet committed at any instant
    skip_current     INTEGER NOT NULL DEFAULT 0,  -- 1: --skip-current-space
    started_at       INTEGER NOT NULL,
    last_progress_at INTEGER NOT NULL,
    finished_at      INTEGER,
    census_at        INTEGER,                 -- when the census that ended the run began
    stop_requested   INTEGER NOT NULL DEFAULT 0,
    reembedded       INTEGER NOT NULL DEFAULT 0,  -- counters of the whole run, all invocations
    already_current  INTEGER NOT NULL DEFAULT 0,
    attested         INTEGER NOT NULL DEFAULT 0,
    raced            INTEGER NOT NULL DEFAULT 0,
    quarantined      INTEGER NOT NULL DEFAULT 0,
    identical        INTEGER NOT NULL DEFAULT 0,  -- rows given the vector of an identical text, without sending it
    texts_sent       INTEGER NOT NULL DEFAULT 0,
    texts_sent_twice INTEGER NOT NULL DEFAULT 0,  -- upper bound, grows with every take-over after a kill
    requests         INTEGER NOT NULL DEFAULT 0,
    retries          INTEGER NOT NULL DEFAULT 0,
    tokens           INTEGER NOT NULL DEFAULT 0,  -- as the endpoint reported them
    breaker_state    TEXT NOT NULL DEFAULT 'closed' CHECK (breaker_state IN ('closed', 'open')),
    breaker_until    INTEGER NOT NULL DEFAULT 0,
    breaker_wait_ms  INTEGER NOT NULL DEFAULT 0,  -- doubles with each vain probe
    last_error       TEXT,
    limits_json      TEXT NOT NULL DEFAULT '{}',  -- what was learned of the size of a request, by name
    tool_version     TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX reembed_run_unfinished ON reembed_run ((1)) WHERE state IN ('running', 'paused');

-- The cursor of one namespace. Rows are the truth; a cursor only saves work.
CREATE TABLE reembed_checkpoint (
    run_id     INTEGER NOT NULL REFERENCES reembed_run (run_id),
    namespace  TEXT NOT NULL,
    cursor_id  TEXT,                          -- last id passed in this pass
    pass       INTEGER NOT NULL,
    eof        INTEGER NOT NULL DEFAULT 0,    -- 1: the pass has seen the end of the namespace
    rows_done  INTEGER NOT NULL DEFAULT 0,    -- rows passed in this pass
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, namespace)
) STRICT, WITHOUT ROWID;

-- Rows that cannot be brought to a target. In force only while src is the hash of the row's text.
CREATE TABLE reembed_quarantine (
    target      INTEGER NOT NULL REFERENCES embedding_fingerprint (id),
    memory_id   TEXT NOT NULL,
    src         BLOB NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('empty', 'oversize', 'undecodable', 'undecryptable', 'refused')),
    http_status INTEGER,
    message     TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 1,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    PRIMARY KEY (target, memory_id)
) STRICT, WITHOUT ROWID;

-- Every change of state, take-over and breaker edge.
CREATE TABLE reembed_event (
    run_id      INTEGER NOT NULL REFERENCES reembed_run (run_id),
    at          INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    detail_json TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE INDEX reembed_event_by_run ON reembed_event (run_id, at);
