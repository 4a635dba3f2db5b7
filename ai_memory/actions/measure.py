"""Measures how good an order of search results is: nDCG, reciprocal rank, and how much two orders have in common.

Pure arithmetic on gains and names. A gain says how well a memory answers a query: 0 not at all, and the higher the
better. nDCG takes `2^gain - 1` at each rank, discounted by `log2(rank + 1)`, as a share of what the best order would
have; a reciprocal rank is 1 / the rank of the first memory with any gain.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

DEPTH = 10
"""The ranks that are looked at: people rarely look further."""
LARGEST_GAIN = 100
"""Beyond, one answer would hide all others, and much beyond no float holds `2^gain`."""


def ndcg(gains: Sequence[float], judged: Collection[float]) -> float:
    """Return the nDCG of the first ten, 0..1: `gains` are those of what was found, `judged` those of all there is.

    Raises:
        ValueError: nothing that was judged has a gain: there is no best order.
    """
    best = _dcg(sorted(judged, reverse=True))
    if not best:
        raise ValueError("nothing that was judged has a gain")
    return _dcg(gains) / best


def _dcg(gains: Sequence[float]) -> float:
    return math.fsum((math.pow(2, gain) - 1) / math.log2(rank + 1) for rank, gain in enumerate(gains[:DEPTH], 1))


def reciprocal_rank(gains: Sequence[float]) -> float:
    """Return 1 / the rank of the first of the first ten that has a gain, 0 where none has."""
    return next((1 / rank for rank, gain in enumerate(gains[:DEPTH], 1) if gain > 0), 0.0)


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Return what share of the first ten of one order is among the first ten of the other, whatever their ranks.

    Of two orders of different length it is the share of the longer one; two empty ones have all in common.
    """
    first, second = set(one[:DEPTH]), set(other[:DEPTH])
    longest = max(len(first), len(second))
    return len(first & second) / longest if longest else 1.0
