"""How far the rows that are nearest to a row are the same by its old vector and by its new one, on a sample.

Two models need not agree to be good, and none of them is the judge here: a small overlap says that search will answer
otherwise than before, not that it answers worse. What says that is `ai-memory evaluate`, with judgements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.vectors.target import Vectors

DEPTH = 10
"""Neighbours compared: the rows that `recall` shows."""
LEAST = 3 * DEPTH
"""Rows below which chance alone has too many neighbours in common."""


class Neighbours(Frozen):
    """Of `rows` rows `shared[n]` have n of their DEPTH nearest in common, each among these rows."""

    rows: int
    shared: tuple[int, ...]

    @property
    def overlap(self) -> float:
        """The mean share of neighbours in common, from 0 to 1."""
        return sum(number * rows for number, rows in enumerate(self.shared)) / (DEPTH * self.rows)

    @property
    def by_chance(self) -> float:
        """What it would be if the new neighbours were drawn by lot."""
        return DEPTH / (self.rows - 1)


def compare_neighbours(before: Vectors, after: Vectors) -> Neighbours:
    """Return how the neighbours compare: vectors of shape (n, dim) of the same n rows, n at least LEAST."""
    old, new = _nearest(before), _nearest(after)
    in_common = [len(np.intersect1d(one, other)) for one, other in zip(old, new, strict=True)]
    counts = np.bincount(in_common, minlength=DEPTH + 1)
    return Neighbours(len(before), tuple(int(each) for each in counts))


def _nearest(vectors: Vectors) -> npt.NDArray[np.intp]:
    """Return the places of the DEPTH nearest of each, by cosine, shape (n, DEPTH)."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argpartition(-cosines, DEPTH - 1, axis=1)[:, :DEPTH]
