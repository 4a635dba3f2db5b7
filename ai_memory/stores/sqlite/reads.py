"""How often and how lately memories are read, by what the Rust program notes of it in `memories`.

`access_count` and `last_accessed_at` come from anywhere: what is not such a number or such a time is no read, and none
at all is older than every other.
"""

from __future__ import annotations

from ai_memory.stores.sqlite.instants import DATE

MOST_READS = 1_000_000
"""Reads of one memory that are believed: the Rust program counts no further (its `touch`, looked at 2026-11-26)."""

READS = f"""
    CASE WHEN typeof(m.access_count) IN ('integer', 'real')
    THEN CAST(max(min(m.access_count, {MOST_READS}), 0) AS INTEGER) ELSE 0 END
"""
"""The reads of a row of `memory_row AS m`: a whole number."""

OLDEST_DAYS = 3_650
"""How long ago a read is at most taken to be, in days; and where nobody can tell when it was."""
AHEAD_DAYS = 1
"""How far a clock may be ahead of ours, in days: a later time is none."""

DAYS = f"""
    coalesce((
        SELECT min(max(:now - at, 0), {OLDEST_DAYS})
        FROM (SELECT CASE WHEN m.last_accessed_at GLOB '{DATE}[Tt ]*' THEN julianday(m.last_accessed_at) END AS at)
        WHERE at <= :now + {AHEAD_DAYS}
    ), {OLDEST_DAYS})
"""
"""The days since the last read of a row of `memory_row AS m`; `:now` is a Julian day."""

HEAT = f"(1.0 * {READS} * {READS} / (1 + {DAYS}))"
"""How hot a row is: reads / sqrt(1 + days since the last one), squared, as not every SQLite can take a root.

That a memory is needed again is the likelier the more often it was, and the likelihood falls with the time since by a
power law (Anderson and Schooler, Reflections of the Environment in Memory, Psychological Science 2, 1991); the exponent
of 1/2 is that of ACT-R.
"""

PRIORITY = """
    CASE WHEN typeof(m.priority) IN ('integer', 'real') THEN CAST(max(min(m.priority, 10), 1) AS INTEGER) ELSE 1 END
"""
"""The priority of a row of `memory_row AS m`: 1 to 10."""
