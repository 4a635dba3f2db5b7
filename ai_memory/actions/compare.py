"""Compares the vectors of one query with the stored ones, in one walk and in memory that does not grow with the file.

Vectors are compared only within one space. A query may have a vector in each of several spaces, as a file has while it
is brought from one to another; each has its own best memories and its own figures, for cosines of two spaces say
nothing of each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ai_memory.actions.merge import Figures
from ai_memory.frozen import Frozen
from ai_memory.stores.memory_values import Neighbours
from ai_memory.vectors.checks import cosines

if TYPE_CHECKING:
    from ai_memory.stores.memory_port_reading import SearchReader
    from ai_memory.stores.memory_values import VectorGroup, VectorPage
    from ai_memory.vectors.target import Vectors


class LeftOut(Enum):
    """Why the vector of a memory was not compared."""

    NO_VECTOR = "no vector"
    OTHER_SPACE = "a vector of another space"
    OTHER_WIDTH = "a vector of another width"
    UNKNOWN_ORIGIN = "a vector of unknown origin"
    MALFORMED = "a malformed vector"


class QueryVector(Frozen, eq=False):
    """A query in one space: `vector` is float32, shape (dim,).

    `claims_unstamped`: a stored vector of its width that nothing tells the space of is of this one. `takes_unstamped`:
    it is taken for one, until a migration has begun. `unrelated` is the query's mean cosine with the witness of the
    space, None where there is none.
    """

    space: str
    vector: Vectors
    claims_unstamped: bool = False
    unrelated: float | None = None
    takes_unstamped: bool = True


class Scope(Frozen):
    """Whose vectors are read: `namespace` is one, or `NS/*`, or None; `substrate`: ai-memory's own, too."""

    namespace: str | None
    substrate: bool


class Compared(Frozen):
    """Cosines of the best memories and of those wanted, by row number; `figures` are of all that were compared.

    Where an index named the best there are no figures of the rest: there is one space then, which needs none.
    """

    query: QueryVector
    cosines: Mapping[int, float]
    figures: Figures


class Comparison(Frozen):
    """What one walk found for each vector of the query, in their order; how many others were not compared, and why.

    `other_spaces` has how many were left out of each other space, `unproven` how many counted without a known space.
    """

    compared: tuple[Compared, ...]
    left_out: Mapping[LeftOut, int]
    other_spaces: Mapping[str, int]
    unproven: int


def compare(
    search: SearchReader, vectors: Sequence[QueryVector], scope: Scope, *, depth: int, wanted: Collection[int]
) -> Comparison:
    """Return the cosines of the `depth` best memories for each of the query's vectors, and of those `wanted`."""
    walk = _Walk([_Best(each, depth, _sorted(wanted)) for each in vectors], search.has_runs())
    if vectors:
        for page in _pages(search, vectors, scope, depth=depth, wanted=wanted):
            walk.left_out[LeftOut.NO_VECTOR] += page.missing
            walk.left_out[LeftOut.MALFORMED] += len(page.malformed)
            for group in page.groups:
                walk.visit(group)
    return walk.comparison()


def _pages(
    search: SearchReader, vectors: Sequence[QueryVector], scope: Scope, *, depth: int, wanted: Collection[int]
) -> Iterable[VectorPage]:
    """Return the pages to compare: the nearest alone where the store has them at hand and no figures are asked for."""
    queries = {each.space: each.vector for each in vectors}
    found = None
    if depth and len(queries) == len(vectors):
        found = search.nearest(Neighbours(queries, scope.namespace, depth, scope.substrate, wanted))
    return search.vectors(scope.namespace, substrate=scope.substrate) if found is None else [found]


def _sorted(wanted: Collection[int]) -> npt.NDArray[np.int64]:
    return np.sort(np.fromiter(wanted, dtype=np.int64, count=len(wanted)))


@dataclass(slots=True)
class _Best:
    """The best memories so far for one vector of the query: row numbers and cosines, best first."""

    query: QueryVector
    depth: int
    wanted: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    cosines: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0, dtype=np.float64))
    asked: dict[int, float] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)

    def add(self, numbers: npt.NDArray[np.int64], found: npt.NDArray[np.float64]) -> None:
        """Count these, and keep the best of them and those before, of equals the earlier row; and what is wanted."""
        if not len(found):
            return
        self.figures += Figures.of(found)
        wanted = np.isin(numbers, self.wanted)
        self.asked.update(zip(numbers[wanted].tolist(), found[wanted].tolist(), strict=True))
        if len(self.numbers) == self.depth and self.depth:
            near = found >= self.cosines[-1]
            numbers, found = numbers[near], found[near]
        numbers = np.concatenate([self.numbers, numbers])
        found = np.concatenate([self.cosines, found])
        order = np.lexsort((numbers, -found))[: self.depth]
        self.numbers, self.cosines = numbers[order], found[order]

    def compared(self) -> Compared:
        """Return what was kept."""
        best = dict(zip(self.numbers.tolist(), self.cosines.tolist(), strict=True))
        return Compared(self.query, best | self.asked, self.figures)


@dataclass(slots=True)
class _Walk:
    """One walk; `has_runs`: a migration of ours has begun, so that a vector of unknown origin may be of any space."""

    best: Sequence[_Best]
    has_runs: bool
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    other_spaces: Counter[str] = field(default_factory=Counter)
    unproven: int = 0

    def visit(self, group: VectorGroup) -> None:
        """Compare the vectors of a group, or count why they are not compared."""
        best = self._like(group)
        if isinstance(best, LeftOut):
            self.left_out[best] += len(group.numbers)
            if best is LeftOut.OTHER_SPACE and group.space is not None:
                self.other_spaces[group.space] += len(group.numbers)
            return
        found = cosines(group.vectors, best.query.vector)
        sound = ~np.isnan(found)
        self.left_out[LeftOut.MALFORMED] += len(found) - int(sound.sum())
        self.unproven += int(sound.sum()) if group.space is None else 0
        best.add(group.numbers[sound], found[sound])

    def _like(self, group: VectorGroup) -> _Best | LeftOut:
        """Return with which of the query's vectors a group is compared, else why with none."""
        dim = group.vectors.shape[1]
        fitting = [each for each in self.best if len(each.query.vector) == dim]
        if group.space is None:
            return self._claiming(fitting)
        of_space = [each for each in self.best if each.query.space == group.space]
        if not of_space:
            return LeftOut.OTHER_SPACE
        return next((each for each in of_space if each in fitting), LeftOut.OTHER_WIDTH)

    def _claiming(self, fitting: Sequence[_Best]) -> _Best | LeftOut:
        claiming = next((each for each in fitting if each.query.claims_unstamped), None)
        if claiming:
            return claiming
        if not fitting:
            return LeftOut.OTHER_WIDTH
        taking = next((each for each in fitting if each.query.takes_unstamped), None)
        return LeftOut.UNKNOWN_ORIGIN if self.has_runs or taking is None else taking

    def comparison(self) -> Comparison:
        """Return what was found."""
        left_out = {reason: self.left_out[reason] for reason in LeftOut if self.left_out[reason]}
        compared = tuple(each.compared() for each in self.best)
        return Comparison(compared, left_out, dict(self.other_spaces), self.unproven)
