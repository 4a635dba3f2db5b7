-- 8: vectors that stand beside the memories until a run is switched to, and which vectors recall serves.

-- A run that is staged is `ready` when every row has its vector, and `switched` from the moment in which recall serves
-- them until all of them stand in the rows. The table anew, as a CHECK cannot be widened; by way of a copy, as in 3.
-- What refers to a run does so again once it is back.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE reembed_run_before AS SELECT * FROM reembed_run;
DROP TABLE reembed_run;

-- One migration of a scope to a target.
CREATE TABLE reembed_run (
    run_id           INTEGER PRIMARY KEY AUTOINCREMENT,
    target           INTEGER NOT NULL REFERENCES embedding_fingerprint (id),
    target_model     TEXT NOT NULL,           -- the configured name, for people
    scope_json       TEXT NOT NULL,           -- JSON array of exact namespaces; null: all but the substrate's
    state            TEXT NOT NULL CHECK (state IN (
        'running', 'paused', 'ready', 'switched', 'done', 'cancelled', 'superseded'
    )),
    pass             INTEGER NOT NULL DEFAULT 1,
    fence            INTEGER NOT NULL DEFAULT 0,  -- grows with every taking of the lock; every commit carries it
    holder_json      TEXT,                    -- who runs it; stays after a kill, removed by a clean stop
    in_flight_limit  INTEGER NOT NULL DEFAULT 0,  -- most texts sent and not yet committed at any instant
    skip_current     INTEGER NOT NULL DEFAULT 0,  -- 1: --skip-current-space
    started_at       INTEGER NOT NULL,
    last_progress_at INTEGER NOT NULL,        -- any sign of life
    finished_at      INTEGER,
    census_at        INTEGER,                 -- when the census that ended the run, or found it ready, began
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
    tool_version     TEXT NOT NULL,
    commits          INTEGER NOT NULL DEFAULT 0,  -- raised by one in every transaction of the runner
    live             INTEGER NOT NULL DEFAULT 0,  -- rows as the last census counted them, moved by every commit since
    remaining        INTEGER NOT NULL DEFAULT 0,
    in_quarantine    INTEGER NOT NULL DEFAULT 0,
    counted_at       INTEGER,                 -- when that census began; null: none since version 4
    last_written_at  INTEGER,                 -- the last commit with a vector
    rows_per_hour    INTEGER NOT NULL DEFAULT 0,  -- over the last minutes of work
    ended_at         INTEGER,                 -- how the last invocation ended
    ended_code       INTEGER,                 -- its exit code
    ended_reason     TEXT,                    -- in a word or two
    ended_alike      INTEGER NOT NULL DEFAULT 0,  -- invocations in a row that ended so
    asked_again      INTEGER NOT NULL DEFAULT 0,  -- rows embedded once more, one by one
    disagreed        INTEGER NOT NULL DEFAULT 0,  -- how many of them did not agree with the vector of their batch
    keeps_previous   INTEGER NOT NULL DEFAULT 0,  -- 1: what it replaces is kept
    undoes_first     INTEGER,                 -- a run that puts back what others replaced: these runs
    undoes_last      INTEGER,
    undone_by        INTEGER,                 -- the rollback that undid it
    stamps           INTEGER NOT NULL DEFAULT 0,  -- 1: vectors attested by the operator (--stamp-only); it never runs
    kept_rows        INTEGER NOT NULL DEFAULT 0,  -- what is kept of the run: rows, and bytes of their vectors
    kept_bytes       INTEGER NOT NULL DEFAULT 0,
    taken_again      INTEGER NOT NULL DEFAULT 0,  -- vectors that were kept, and not sent for
    put_back         INTEGER NOT NULL DEFAULT 0,
    left_alone       INTEGER NOT NULL DEFAULT 0,  -- edited since they were replaced
    walk_order       TEXT NOT NULL DEFAULT 'namespace',  -- or 'hot': a list of hot rows first
    reads            INTEGER NOT NULL DEFAULT 0,  -- of live rows, and of those not at the target, as 'live' is counted
    reads_left       INTEGER NOT NULL DEFAULT 0,
    staged           INTEGER NOT NULL DEFAULT 0,  -- 1: its vectors go beside the memories until it is switched to
    moved            INTEGER NOT NULL DEFAULT 0   -- of these vectors, those that stand in the rows by now
) STRICT;

INSERT INTO reembed_run (run_id, target, target_model, scope_json, state, pass, fence, holder_json, in_flight_limit,
    skip_current, started_at, last_progress_at, finished_at, census_at, stop_requested, reembedded, already_current,
    attested, raced, quarantined, identical, texts_sent, texts_sent_twice, requests, retries, tokens, breaker_state,
    breaker_until, breaker_wait_ms, last_error, limits_json, tool_version, commits, live, remaining, in_quarantine,
    counted_at, last_written_at, rows_per_hour, ended_at, ended_code, ended_reason, ended_alike, asked_again,
    disagreed, keeps_previous, undoes_first, undoes_last, undone_by, stamps, kept_rows, kept_bytes, taken_again,
    put_back, left_alone, walk_order, reads, reads_left)
SELECT run_id, target, target_model, scope_json, state, pass, fence, holder_json, in_flight_limit,
    skip_current, started_at, last_progress_at, finished_at, census_at, stop_requested, reembedded, already_current,
    attested, raced, quarantined, identical, texts_sent, texts_sent_twice, requests, retries, tokens, breaker_state,
    breaker_until, breaker_wait_ms, last_error, limits_json, tool_version, commits, live, remaining, in_quarantine,
    counted_at, last_written_at, rows_per_hour, ended_at, ended_code, ended_reason, ended_alike, asked_again,
    disagreed, keeps_previous, undoes_first, undoes_last, undone_by, stamps, kept_rows, kept_bytes, taken_again,
    put_back, left_alone, walk_order, reads, reads_left
FROM reembed_run_before;
DROP TABLE reembed_run_before;

CREATE UNIQUE INDEX reembed_run_unfinished ON reembed_run ((1))
    WHERE state IN ('running', 'paused', 'ready', 'switched');

-- Vectors of a staged run, one a memory. They are served, once it is switched to, where the text is still src.
-- A table with row numbers, as embedding_previous.
CREATE TABLE embedding_staged (
    id        INTEGER PRIMARY KEY,
    memory_id TEXT NOT NULL,
    target    INTEGER NOT NULL REFERENCES embedding_fingerprint (id),
    src       BLOB NOT NULL,                  -- as in embedding_provenance, like the three that follow
    head      BLOB NOT NULL,
    origin    TEXT NOT NULL,
    stretch   INTEGER NOT NULL,
    embedding BLOB NOT NULL                   -- 0x01, then float32 little-endian
) STRICT;

CREATE UNIQUE INDEX embedding_staged_by_memory ON embedding_staged (memory_id);
-- Finds the vector of an identical text.
CREATE INDEX embedding_staged_by_src ON embedding_staged (src);

-- What recall serves. No row: what stands in the rows of the memories.
CREATE TABLE embedding_active (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    run_id   INTEGER NOT NULL REFERENCES reembed_run (run_id),
    target   INTEGER                          -- what the run staged of this target; null: what stood there before the run
        REFERENCES embedding_fingerprint (id)
) STRICT;
