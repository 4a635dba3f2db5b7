"""Vectors of a database that stay in memory from one search to the next, as long as nothing in it changed.

To read them is most of what a search of some thousands takes: `scripts/bench-mcp`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.memory_port_reading import SearchReader
    from ai_memory.stores.memory_values import Match, Neighbours, StoredVector, Text, VectorPage

MOST_BYTES = 128 << 20
"""Of vectors that are kept at most: some 87,000 of 384 numbers. A choice."""
Part = tuple[str | None, bool]
"""A namespace, and whether ai-memory's own ones belong to it: see `SearchReader.vectors`."""


@dataclass(slots=True)
class KeptVectors:
    """What was read of one state of a database; `monotonic` returns the seconds of a clock.

    `state` is the mark of that state, which means something for one open `library` alone; `until` is when a memory
    expires.
    """

    monotonic: Callable[[], float]
    most_bytes: int = MOST_BYTES
    parts: dict[Part, list[VectorPage]] = field(default_factory=dict)
    library: Library | None = None
    state: Hashable = None
    until: float = 0.0

    def of(self, library: Library) -> dict[Part, list[VectorPage]]:
        """Return what is kept of the state that the library shows now, to which its reader adds."""
        mark = library.about.mark()
        if library is not self.library or mark != self.state or self.monotonic() >= self.until:
            lasts = library.about.lasts()
            self.parts, self.library, self.state = {}, library, mark
            self.until = float("inf") if lasts is None else self.monotonic() + lasts
        return self.parts

    def over(self, library: Library) -> SearchReader:
        """Return what searches the library by what is kept; inside of one state of it."""
        return _Search(library, library.search, self)

    @property
    def bytes(self) -> int:
        """How many bytes of vectors are kept."""
        return sum(_bytes(page) for pages in self.parts.values() for page in pages)


class _Search(Frozen):
    """See `stores.memory_port_reading.SearchReader`."""

    library: Library
    search: SearchReader
    kept: KeptVectors

    def vectors(self, namespace: str | None, *, substrate: bool = True) -> Iterator[VectorPage]:
        """See the port."""
        parts, part = self.kept.of(self.library), (namespace, substrate)
        if part in parts:
            yield from parts[part]
            return
        room = self.kept.most_bytes - self.kept.bytes
        pages: list[VectorPage] = []
        for page in self.search.vectors(namespace, substrate=substrate):
            room -= _bytes(page)
            if room >= 0:
                pages.append(page)
            else:
                pages.clear()
            yield page
        if room >= 0:
            parts[part] = pages

    def nearest(self, wanted: Neighbours) -> VectorPage | None:
        """See the port: what is kept is compared."""
        if (wanted.namespace, wanted.substrate) in self.kept.of(self.library):
            return None
        return self.search.nearest(wanted)

    def telling(self, query: str) -> str:
        """See the port."""
        return self.search.telling(query)

    def matches(self, query: str, namespace: str | None, *, substrate: bool = True) -> Iterator[Match]:
        """See the port."""
        return self.search.matches(query, namespace, substrate=substrate)

    def bm25(self, query: str, numbers: Collection[int]) -> dict[int, float]:
        """See the port."""
        return self.search.bm25(query, numbers)

    def vector(self, row_number: int) -> StoredVector:
        """See the port."""
        return self.search.vector(row_number)

    def numbers(self, memory_ids: Sequence[str]) -> dict[str, int]:
        """See the port."""
        return self.search.numbers(memory_ids)

    def text(self, row_number: int) -> Text:
        """See the port."""
        return self.search.text(row_number)

    def has_runs(self) -> bool:
        """See the port."""
        return self.search.has_runs()


def _bytes(page: VectorPage) -> int:
    return sum(group.vectors.nbytes + group.numbers.nbytes for group in page.groups)
