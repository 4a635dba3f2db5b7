-- 3: rows that the database itself refuses, and a number by which a commit of a run is known.

-- Raised by one in every transaction of the runner (0 follows 999,999,999): whether a COMMIT whose answer was lost
-- happened is one read.
ALTER TABLE reembed_run ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;

-- The table anew, as a CHECK cannot be widened. By way of a copy: ALTER TABLE … RENAME refuses where a view or a
-- trigger of somebody else's, anywhere in the file, names what is not there.
CREATE TABLE reembed_quarantine_before AS SELECT * FROM reembed_quarantine;
DROP TABLE reembed_quarantine;

-- Rows that cannot be brought to a target. In force only while src is the hash of the row's text.
CREATE TABLE reembed_quarantine (
    target      INTEGER NOT NULL REFERENCES embedding_fingerprint (id),
    memory_id   TEXT NOT NULL,
    src         BLOB NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN (
        'empty', 'oversize', 'undecodable', 'undecryptable',
        'refused',                            -- by the endpoint
        'unwritable'                          -- by the database: a trigger, a constraint, a reference
    )),
    http_status INTEGER,
    message     TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 1,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    PRIMARY KEY (target, memory_id)
) STRICT, WITHOUT ROWID;

INSERT INTO reembed_quarantine (target, memory_id, src, kind, http_status, message, attempts, first_at, last_at)
SELECT target, memory_id, src, kind, http_status, message, attempts, first_at, last_at FROM reembed_quarantine_before;
DROP TABLE reembed_quarantine_before;
