"""Amounts as people say them: spans of time, money, sizes, shares, counts."""

from __future__ import annotations

import re
from math import floor, log10

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
"""Milliseconds."""
UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def span(ms: float) -> str:
    """Return a span of time (milliseconds) in its largest unit, hours with their minutes; never less than 0 s."""
    ms = max(ms, 0)
    if ms < MINUTE:
        return f"{int(ms // SECOND)} s"
    if ms < HOUR:
        return f"{int(ms // MINUTE)} min"
    if ms < 2 * DAY:
        hours, rest = divmod(int(ms), HOUR)
        return f"{hours} h {rest // MINUTE} min" if rest >= MINUTE else f"{hours} h"
    return f"{int(ms // DAY):,} days"


def ago(at_ms: int, now_ms: int) -> str:
    """Return how long ago a time was; one that lies ahead of the clock was just now."""
    return f"{span(now_ms - at_ms)} ago" if now_ms - at_ms >= SECOND else "just now"


def money(amount: float) -> str:
    """Return an amount of money with two digits after the point, of less than 1 its first two that are not 0."""
    if amount >= 1 or amount <= 0:
        return f"{amount:,.2f}" if amount > 0 else "0"
    return f"{amount:.{1 - floor(log10(amount))}f}"


def size(count: int) -> str:
    """Return a number of bytes in the largest unit that leaves at least 1."""
    for name, unit in UNITS:
        if count >= unit:
            return f"{count / unit:,.1f} {name}" if count < 10 * unit else f"{count // unit:,} {name}"
    return f"{count} bytes"


def percent(part: int, whole: int) -> int:
    """Return a share in whole per cent, rounded down: 100 is said of all only; of nothing everything is done."""
    return 100 * part // whole if whole else 100


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts: `one` where it is 1, else `many`, by default the plural of `one`.

    More than a noun may follow where both forms are given: `counted(n, "row is", "rows are")`.
    """
    return f"{number:,} {one if number == 1 else many or _plural(one)}"


def _plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if re.search("[^aeiou]y$", noun) else f"{noun}s"
