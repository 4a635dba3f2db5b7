"""When a memory expires, whatever form its `expires_at` was written in.

The Rust program compares `expires_at` as text with the present in RFC 3339, UTC. Other programs left other forms: what
can be read as an instant (see `instants`) is compared as one here, everything else as text, as it does.
"""

from __future__ import annotations

from ai_memory.stores.sqlite.instants import DATE, julian

IN_UTC = f"""
    (typeof(expires_at) = 'text' AND (expires_at GLOB '{DATE}T*Z' OR expires_at GLOB '{DATE}T*+00:00')
     AND julianday(expires_at) IS NOT NULL)
"""
"""Whether it is as every program of ours and theirs writes it."""

_INSTANT, _NOW = julian("expires_at"), "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"
UNEXPIRED = f"""
    CASE WHEN expires_at IS NULL THEN 1
    WHEN {IN_UTC} THEN julianday(expires_at) > julianday('now')
    ELSE coalesce({_INSTANT} > julianday('now'), expires_at > {_NOW}) END
"""
"""Whether a row of `memories` has not expired: 1 or 0, never NULL."""
_TOLD = f"coalesce(CASE WHEN {IN_UTC} THEN julianday(expires_at) ELSE {_INSTANT} END, 0)"
NEXT = f"""
    SELECT 86400 * (min({_TOLD}) - julianday('now')) FROM main.memories WHERE expires_at IS NOT NULL AND {UNEXPIRED}
"""
"""The seconds until the next memory expires, NULL where none does; less than 0 where that cannot be told."""
