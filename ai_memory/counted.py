"""How a number of things is told: one thing, two things."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts: `one` where it is 1, else `many`, by default the plural of `one`.

    A phrase may follow the noun where both forms are given: `counted(n, "row is stale", "rows are stale")`.
    """
    return f"{number:,} {one if number == 1 else many or plural(one)}"


def plural(noun: str) -> str:
    """Return the regular plural of an English noun."""
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
