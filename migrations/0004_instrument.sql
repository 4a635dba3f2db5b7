-- 4: targets that a person approved, a pause of the file, what -q has told, what `status` shows without a census, and
--    the namespaces that memories left.

-- Targets to which an unattended start may go. The target of a file's last completed run is one of them.
CREATE TABLE reembed_approval (
    space       TEXT NOT NULL,
    dim         INTEGER NOT NULL,
    approved_at INTEGER NOT NULL,
    approved_by TEXT NOT NULL,                -- user and host, for people
    how         TEXT NOT NULL,                -- 'approve', '--yes', 'by hand', 'completed'
    PRIMARY KEY (space, dim)
) STRICT, WITHOUT ROWID;

-- A file from before has the approval of its last completed run, unless that target was cancelled since.
INSERT INTO reembed_approval (space, dim, approved_at, approved_by, how)
SELECT f.space, f.dim, coalesce(r.finished_at, r.last_progress_at), '', 'completed'
FROM reembed_run AS r JOIN embedding_fingerprint AS f ON f.id = r.target
WHERE r.run_id = (SELECT max(run_id) FROM reembed_run WHERE state = 'done')
    AND NOT EXISTS (SELECT 1 FROM reembed_run AS c WHERE c.run_id > r.run_id AND c.target = r.target AND c.state = 'cancelled');

-- No run works on the file, and none begins, while there is a row.
CREATE TABLE reembed_pause (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    paused_at INTEGER NOT NULL,
    until     INTEGER,                        -- null: until it is taken off
    paused_by TEXT NOT NULL,                  -- user and host, for people
    reason    TEXT NOT NULL DEFAULT ''
) STRICT;

-- What a quiet start has told, so that it tells it once: a hash of it, by exit code.
CREATE TABLE reembed_told (
    exit_code INTEGER PRIMARY KEY,
    what      BLOB NOT NULL,
    told_at   INTEGER NOT NULL
) STRICT;

-- Out of these namespaces a memory was deleted or moved: one that is empty by that is no typing error.
CREATE TABLE reembed_namespace (
    namespace TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows as the last census counted them, moved by every commit since.
ALTER TABLE reembed_run ADD COLUMN live INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reembed_run ADD COLUMN remaining INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reembed_run ADD COLUMN in_quarantine INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reembed_run ADD COLUMN counted_at INTEGER;          -- when that census began; null: none since version 4
ALTER TABLE reembed_run ADD COLUMN last_written_at INTEGER;     -- the last commit with a vector; last_progress_at is any sign of life
ALTER TABLE reembed_run ADD COLUMN rows_per_hour INTEGER NOT NULL DEFAULT 0;  -- over the last minutes of work
-- How the last invocation ended.
ALTER TABLE reembed_run ADD COLUMN ended_at INTEGER;
ALTER TABLE reembed_run ADD COLUMN ended_code INTEGER;          -- its exit code
ALTER TABLE reembed_run ADD COLUMN ended_reason TEXT;           -- in a word or two
ALTER TABLE reembed_run ADD COLUMN ended_alike INTEGER NOT NULL DEFAULT 0;    -- invocations in a row that ended so
-- Rows embedded once more, one by one, and how many of them did not agree with the vector of their batch.
ALTER TABLE reembed_run ADD COLUMN asked_again INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reembed_run ADD COLUMN disagreed INTEGER NOT NULL DEFAULT 0;

-- The vectors of a target are written in stretches: one ends when rows from all over it are asked again and agree. What was
-- written in one that a kill or an outage cut off is doubted by whoever writes vectors of the target next.
ALTER TABLE embedding_fingerprint ADD COLUMN stretch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE embedding_provenance ADD COLUMN stretch INTEGER NOT NULL DEFAULT 0;
