-- 3: columns for vectors of another width. They stand in the memories, beside those of before, and change places with them.

-- Which columns stand beside the memories' own. No row: none do.
CREATE TABLE embedding_exchange (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    run_id   BIGINT NOT NULL REFERENCES reembed_run (run_id),
    done     INTEGER NOT NULL CHECK (done IN (0, 1))  -- 0: the run fills them; 1: they hold what it replaced
);

-- Where the vectors in those columns come from; it changes places with embedding_provenance.
CREATE TABLE embedding_provenance_beside (
    memory_id      TEXT PRIMARY KEY,
    fingerprint_id BIGINT NOT NULL REFERENCES embedding_fingerprint (id),
    src            BYTEA NOT NULL,
    head           BYTEA NOT NULL,
    origin         TEXT NOT NULL CHECK (origin IN ('store', 'import', 'backfill', 'reembed', 'attested')),
    stretch        BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX embedding_provenance_beside_by_src ON embedding_provenance_beside (src);
CREATE INDEX embedding_provenance_beside_by_target ON embedding_provenance_beside (fingerprint_id);
