"""What rows asked again prove of all: how large a share of them can be wrong."""

from __future__ import annotations

from math import ceil, comb

from ai_memory.text.amounts import counted

CONFIDENCE = 0.95
STEPS = 50
"""Of bisection: more than a float has digits."""

ONE_ROW = "The one row was asked again and agrees."


def bound(agreed: int, of: int) -> float:
    """Return the share of all rows that can differ, at 95 %, where `agreed` of `of` rows drawn at random agree.

    The upper limit of Clopper and Pearson (1934), one-sided: 20 of 20 are 0.139, 300 of 300 are 0.00994; about 3 / n,
    the rule of three, where all agree. 1.0 where no row was drawn.
    """
    differ = of - agreed
    if of < 1 or differ >= of:
        return 1.0
    if not differ:
        return float(1 - (1 - CONFIDENCE) ** (1 / of))
    low, high = differ / of, 1.0
    for _ in range(STEPS):
        share = (low + high) / 2
        low, high = (share, high) if _at_most(differ, of, share) > 1 - CONFIDENCE else (low, share)
    return high


def differ_at_most(agreed: int, rows: int) -> float:
    """Return the share of `rows` that can differ where `agreed` were asked again and agree, rounded up.

    0 where every one was.
    """
    return 0.0 if agreed >= rows else ceil(bound(agreed, agreed) * 10_000) / 10_000


def bound_in_words(agreed: int, rows: int, *, over: bool) -> str:
    """Return the sentence on what rows asked again prove; before a run is `over` they are not from all over it."""
    share = percent(differ_at_most(agreed, rows))
    if not agreed:
        return f"None of {counted(rows, 'row')} was asked again: nothing tells how many of them differ."
    if agreed >= rows:
        return f"All {rows:,} rows were asked again one by one and agree." if rows > 1 else ONE_ROW
    agree = "was asked again one by one and agrees" if agreed == 1 else "were asked again one by one and agree"
    asked = f"Of {rows:,} rows {agreed:,} {agree}"
    return f"{asked}: at most {share} of the rows can differ (95 %)." if over else f"{asked}, so far."


def percent(share: float) -> str:
    """Return a share in words, rounded up: whole per cents, below one a tenth or a hundredth."""
    digits = 0 if share > 0.009 else 1 if share > 0.0009 else 2
    scale = 10 ** (digits + 2)
    # Half a unit in the twelfth place: 0.14 is 14 %, though as a float it is a little more.
    return f"{ceil(share * scale - 1e-9) / 10**digits:.{digits}f} %"


def _at_most(differ: int, of: int, share: float) -> float:
    """Return how likely at most `differ` of `of` rows differ, where each does with a chance of `share`."""
    return float(sum(comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(differ + 1)))
