"""Searches among some memories only, by vectors that need not be those that are stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.frozen import Frozen
from ai_memory.memory.names import is_substrate
from ai_memory.stores.memory_values import Match, VectorGroup, VectorPage

if TYPE_CHECKING:
    from ai_memory.stores.memory_port_reading import SearchReader
    from ai_memory.stores.memory_values import Neighbours, StoredVector, Text
    from ai_memory.vectors.target import Vectors

BELOW = "/*"


class InSpace(Frozen, eq=False):
    """A vector, float32, shape (dim,), and its space, None where nothing tells it."""

    space: str | None
    vector: Vectors

    @property
    def place(self) -> tuple[str | None, int]:
        """Space and width: vectors of one place can be compared."""
        return self.space, len(self.vector)


class SampledSearch(Frozen):
    """See `stores.memory_port_reading.SearchReader`: of the memories in `namespaces` alone, by their row numbers.

    `vectors_by_number` are theirs; one that has none there has none.
    """

    search: SearchReader
    namespaces: Mapping[int, str]
    vectors_by_number: Mapping[int, InSpace]

    def telling(self, query: str) -> str:
        """See the port."""
        return self.search.telling(query)

    def matches(self, query: str, namespace: str | None, *, substrate: bool = True) -> Iterator[Match]:
        """See the port."""
        found = self.search.bm25(query, self._within(namespace, substrate=substrate))
        for number in sorted(found, key=lambda each: (-found[each], each)):
            yield Match(number, found[number])

    def bm25(self, query: str, numbers: Collection[int]) -> dict[int, float]:
        """See the port."""
        return self.search.bm25(query, numbers)

    def vectors(self, namespace: str | None, *, substrate: bool = True) -> Iterator[VectorPage]:
        """See the port; all of them in one page."""
        within = self._within(namespace, substrate=substrate)
        groups: defaultdict[tuple[str | None, int], list[int]] = defaultdict(list)
        for number in within:
            if number in self.vectors_by_number:
                groups[self.vectors_by_number[number].place].append(number)
        made = tuple(self._group(space, numbers) for (space, _), numbers in groups.items())
        missing = len(within) - sum(map(len, groups.values()))
        yield VectorPage(made, missing, np.zeros(0, dtype=np.int64))

    def _group(self, space: str | None, numbers: Sequence[int]) -> VectorGroup:
        stacked = np.stack([self.vectors_by_number[each].vector for each in numbers])
        return VectorGroup(space, np.array(numbers, dtype=np.int64), stacked)

    def nearest(self, wanted: Neighbours) -> None:
        """See the port: no index is of the sample alone."""

    def vector(self, row_number: int) -> StoredVector:
        """See the port."""
        return self.search.vector(row_number)

    def numbers(self, memory_ids: Sequence[str]) -> dict[str, int]:
        """See the port."""
        found = self.search.numbers(memory_ids)
        return {each: number for each, number in found.items() if number in self.namespaces}

    def text(self, row_number: int) -> Text:
        """See the port."""
        return self.search.text(row_number)

    def has_runs(self) -> bool:
        """Return True: a vector of unknown origin is then only of an embedder that claims it."""
        return True

    def _within(self, namespace: str | None, *, substrate: bool) -> list[int]:
        return sorted(each for each, name in self.namespaces.items() if _is_in(name, namespace, substrate=substrate))


def _is_in(name: str, namespace: str | None, *, substrate: bool) -> bool:
    if namespace is None:
        return substrate or not is_substrate(name)
    return name.startswith(namespace[:-1]) if namespace.endswith(BELOW) else name == namespace
