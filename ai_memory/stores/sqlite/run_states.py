"""The states of a run in which it is over, as SQL and others list them."""

from __future__ import annotations

ENDED = ("done", "cancelled", "superseded")
