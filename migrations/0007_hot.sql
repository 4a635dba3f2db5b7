-- 7: rows that are read often and lately are embedded first, and how many of all reads the new space can answer.

-- In what order the run walks: 'namespace', or 'hot': a list of hot rows first, then as before.
ALTER TABLE reembed_run ADD COLUMN walk_order TEXT NOT NULL DEFAULT 'namespace';
-- The reads (access_count) of live rows as the last census found them, and those of the rows that are not at the target,
-- moved by every commit since. No reads: nobody counts them in this file, or no census did.
ALTER TABLE reembed_run ADD COLUMN reads INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reembed_run ADD COLUMN reads_left INTEGER NOT NULL DEFAULT 0;

-- The list of hot rows of a run, frozen at the start of a pass, and its cursor. Like every cursor it only saves work.
CREATE TABLE reembed_hot_list (
    run_id    INTEGER PRIMARY KEY REFERENCES reembed_run (run_id),
    pass      INTEGER NOT NULL,
    passed    INTEGER NOT NULL DEFAULT 0,     -- places passed in this pass
    frozen_at INTEGER NOT NULL
) STRICT;

CREATE TABLE reembed_hot (
    run_id    INTEGER NOT NULL REFERENCES reembed_run (run_id),
    place     INTEGER NOT NULL,               -- from 1, the hottest
    memory_id TEXT NOT NULL,
    PRIMARY KEY (run_id, place)
) STRICT, WITHOUT ROWID;
