"""The states of a run in which it is over, as SQL and others list them."""

from __future__ import annotations

ENDED = ("done", "cancelled", "superseded")
# A state that nobody knows is not an end: such a run stands in the way of another until it is cancelled.
IS_UNFINISHED = f"coalesce(state, '') NOT IN {ENDED}"
