"""How much is asked again of what was written before, and not seen to be right yet."""

from __future__ import annotations

MOST = 64
"""Pages of which a row is kept in mind, beside the last one. A choice of 2026-11-25, not measured."""
AT_END = 3
"""Rows that are asked again one by one at the end, the last page's among them."""


def most_asked(unproven: int) -> int:
    """Return how many texts are sent, at most, to find out about so many rows that were written before."""
    rows = min(unproven, MOST)
    # One with the first page, all at the end, some of those by themselves.
    return rows and rows + 1 + min(rows, AT_END)
