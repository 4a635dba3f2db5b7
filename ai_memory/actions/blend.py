"""Joins what words and what vectors say of the memories found into one score.

The score is the weighted mean of a memory's cosine (weight 1) and of its BM25 as a share of the best one (weight
`WORDS_WEIGHT`). Scores are joined, not ranks: by ranks, what stands at place 40 of both orders goes before the first
of one.

Where the vector of a memory cannot be compared (it has none, or one of another space), its cosine is guessed from its
words. BM25 and cosine go together, but loosely: a memory whose BM25 lies two standard deviations above the mean is
taken to have a cosine one standard deviation above the mean of the memories that have both. Taken for 0 the cosine
would bury the memory below all that meaning finds; taken for the best one it would lift it above that.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

WORDS_WEIGHT = 0.2
"""What BM25 weighs beside the cosine; measured by scripts/search-quality, see docs/why.md."""
CORRELATION = 0.5
"""Standard deviations that a guess lies from the mean for each one of BM25."""
FEWEST = 3
"""Memories that have both, below which the mean and deviation of all that were compared are taken."""


def shares(bm25: Mapping[int, float]) -> dict[int, float]:
    """Return each BM25 as its share of the best of them, 0..1; all of them 1 where none is above 0."""
    best = max(bm25.values(), default=0.0)
    return {item: max(0.0, value / best) if best > 0 else 1.0 for item, value in bm25.items()}


def with_guesses(cosines: Mapping[int, float], words: Mapping[int, float]) -> dict[int, float]:
    """Return `cosines` and a guess for everything else in `words`, from its share of the best BM25.

    No guess is above the best cosine, nor below -1. Where nothing was compared, nothing is guessed.
    """
    if not cosines or not words:
        return dict(cosines)
    both = [cosines[each] for each in words if each in cosines]
    compared = np.array(both if len(both) >= FEWEST else list(cosines.values()))
    given = np.array(list(words.values()))
    standing = (given - given.mean()) / (given.std() or 1.0)
    # Cut off at the best: no cosine that rises then lifts a guess by more than itself (Samuelson's inequality).
    guessed = (compared.mean() + CORRELATION * compared.std() * standing).clip(-1.0, compared.max())
    return {**dict(zip(words, guessed.tolist(), strict=True)), **cosines}


def blend(words: Mapping[int, float], cosines: Mapping[int, float], weight: float) -> dict[int, float]:
    """Return the score of everything that words or meaning found; the higher, the better.

    `words` has shares of the best BM25, `cosines` a cosine or a guess for each of them and for more. Where there are
    none of one kind, the score is the other.
    """
    if not words or not cosines:
        return {**words, **cosines}
    return {each: (cosine + weight * words.get(each, 0.0)) / (1 + weight) for each, cosine in cosines.items()}
