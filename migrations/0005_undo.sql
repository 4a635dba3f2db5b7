-- 5: the way back. What a run replaces is kept in the transaction that replaces it, until it is put back or pruned.

-- The columns of a vector hold what stood there, of whatever type: files of the Rust program have text as vectors.
-- A table with row numbers: SQLite spreads rows of this size over overflow pages in one without.
CREATE TABLE embedding_previous (
    id              INTEGER PRIMARY KEY,
    run_id          INTEGER NOT NULL,         -- of the run that replaced it
    memory_id       TEXT NOT NULL,
    text_src        BLOB NOT NULL,            -- hash of the text that the memory had then, as in embedding_provenance
    written_head    BLOB,                     -- head of the vector that the run wrote last; null: it is not to be put
                                              -- back, only to be taken again by a run to its own target
    embedding       ANY,
    embedding_dim   ANY,
    embedding_space ANY,
    fingerprint_id  INTEGER,                  -- from here on its row of embedding_provenance; null: it had none
    src             BLOB,
    head            BLOB,
    origin          TEXT,
    stretch         INTEGER                   -- null: it was not seen to be right by then
) STRICT;

-- The way back of one memory, the earliest run first. A run keeps what stood there before its first write.
CREATE UNIQUE INDEX embedding_previous_by_memory ON embedding_previous (memory_id, run_id);

-- Finds a vector that was paid for by its target and its text.
CREATE INDEX embedding_previous_by_target ON embedding_previous (fingerprint_id, src) WHERE fingerprint_id IS NOT NULL;

-- Whether the run keeps what it replaces. One begun before version 5 did not, and goes on so.
ALTER TABLE reembed_run ADD COLUMN keeps_previous INTEGER NOT NULL DEFAULT 0;
-- A run that puts back what others replaced: these runs. Null: it is no rollback.
ALTER TABLE reembed_run ADD COLUMN undoes_first INTEGER;
ALTER TABLE reembed_run ADD COLUMN undoes_last INTEGER;
ALTER TABLE reembed_run ADD COLUMN undone_by INTEGER;             -- the rollback that undid it
-- 1: vectors attested by the operator (--stamp-only). It never runs; it is entered so that it can be undone.
ALTER TABLE reembed_run ADD COLUMN stamps INTEGER NOT NULL DEFAULT 0;
-- What is kept of the run: rows, and bytes of their vectors.
ALTER TABLE reembed_run ADD COLUMN kept_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reembed_run ADD COLUMN kept_bytes INTEGER NOT NULL DEFAULT 0;
-- Counters, like those of version 2.
ALTER TABLE reembed_run ADD COLUMN taken_again INTEGER NOT NULL DEFAULT 0;  -- vectors that were kept, and not sent for
ALTER TABLE reembed_run ADD COLUMN put_back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reembed_run ADD COLUMN left_alone INTEGER NOT NULL DEFAULT 0;   -- edited since they were replaced
