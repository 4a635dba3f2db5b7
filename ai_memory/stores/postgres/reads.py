"""How often and how lately memories are read, by what the Rust program notes of it in `memories`.

As in a file (`stores.sqlite.reads` says why): a count is believed up to a million, a time up to a day ahead.
"""

from __future__ import annotations

MOST_READS, OLDEST_DAYS = 1_000_000, 3_650

READS = f"greatest(least(coalesce(m.access_count, 0), {MOST_READS}), 0)::bigint"
"""The reads of a memory `m`: a whole number."""

DAYS = f"""
    CASE WHEN m.last_accessed_at <= %(now)s::timestamptz + interval '1 day'
        THEN least(greatest(extract(epoch FROM %(now)s::timestamptz - m.last_accessed_at) / 86400, 0), {OLDEST_DAYS})
        ELSE {OLDEST_DAYS} END
"""
HEAT = f"(1.0 * {READS} * {READS} / (1 + {DAYS}))"
"""How hot a memory `m` is: reads / sqrt(1 + days since the last one), squared; `now` is bound as a time."""
PRIORITY = "greatest(least(coalesce(m.priority, 1), 10), 1)::integer"
