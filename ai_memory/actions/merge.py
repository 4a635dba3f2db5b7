"""Makes the cosines of several vector spaces comparable: as standard scores within each space, brought to one scale.

A cosine of one space says nothing in another: one model gives unrelated texts 0.1, another 0.8. So a memory counts by
how many standard deviations its cosine lies above the mean of the query's cosines in its space; the scores of all
spaces are then given the mean and the deviation that cosines have in this file, so that words weigh beside them what
they weigh in one space. Of one space the cosines stay as they are.

Measured against standard scores of words and meaning added up, and against a weight of its own for words: this was the
best, or near it, on all sets of scripts/search-quality; see docs/why.md.

Of a space that has few rows the mean and the deviation are largely chance, so they are drawn towards those of all. But
the mean of all is not this model's: what is missing is told by the witness, three texts that have nothing to do with
the query and stand in the file in both spaces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ai_memory.frozen import Frozen

ENOUGH = 30
"""Rows from which the figures of a space are its own; a choice, not measured."""


class Figures(Frozen):
    """How many cosines there are, their mean, and the sum of the squares of their deviations from it."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @staticmethod
    def of(cosines: npt.NDArray[np.floating]) -> Figures:
        """Return the figures of some cosines, none of them NaN."""
        if not len(cosines):
            return Figures()
        exact = cosines.astype(np.float64)
        mean = float(exact.mean())
        return Figures(len(exact), mean, float(np.square(exact - mean).sum()))

    def __add__(self, other: Figures) -> Figures:
        """Return the figures of both (T. Chan, G. Golub, R. LeVeque: Updating Formulae, 1979)."""
        count = self.count + other.count
        if not count:
            return self
        apart = other.mean - self.mean
        mean = self.mean + apart * other.count / count
        return Figures(count, mean, self.squares + other.squares + apart * apart * self.count * other.count / count)

    @property
    def deviation(self) -> float:
        """The standard deviation, 0 where there are no two cosines that differ."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0


class OfSpace(Frozen):
    """What one space says of a query: the cosines that were kept, by row number, and the figures of all of them.

    `unrelated` is the query's mean cosine with the witness of this space, None where there is none.
    """

    cosines: Mapping[int, float]
    figures: Figures
    unrelated: float | None = None


def merged(spaces: Sequence[OfSpace]) -> dict[int, float]:
    """Return how near each memory is to the query, on one scale: where there is one space, its cosines."""
    present = [each for each in spaces if each.figures.count]
    if len(present) < 2:
        return {number: cosine for each in present for number, cosine in each.cosines.items()}
    pooled = _pooled(present)
    return {number: score for each in present for number, score in _on_one_scale(each, pooled).items()}


class _Pooled(Frozen):
    """The figures of all spaces: `deviation` is that within them; `unrelated` is None where one has no witness."""

    mean: float
    deviation: float
    unrelated: float | None


def _pooled(spaces: Sequence[OfSpace]) -> _Pooled:
    count = sum(each.figures.count for each in spaces)
    mean = sum(each.figures.count * each.figures.mean for each in spaces) / count
    deviation = math.sqrt(sum(each.figures.squares for each in spaces) / count)
    witnessed = [each.figures.count * each.unrelated for each in spaces if each.unrelated is not None]
    return _Pooled(mean, deviation, sum(witnessed) / count if len(witnessed) == len(spaces) else None)


def _on_one_scale(space: OfSpace, pooled: _Pooled) -> dict[int, float]:
    own = min(1.0, space.figures.count / ENOUGH)
    mean = own * space.figures.mean + (1 - own) * _expected_mean(space, pooled)
    deviation = own * space.figures.deviation + (1 - own) * pooled.deviation
    scale = pooled.deviation / deviation if deviation else 0.0
    return {number: pooled.mean + scale * (cosine - mean) for number, cosine in space.cosines.items()}


def _expected_mean(space: OfSpace, pooled: _Pooled) -> float:
    """Return the mean that a space would have if its rows were like those of all.

    Without a witness its own: the mean of the others would put every row of a model with high cosines first.
    """
    if space.unrelated is None or pooled.unrelated is None:
        return space.figures.mean
    return pooled.mean + space.unrelated - pooled.unrelated
