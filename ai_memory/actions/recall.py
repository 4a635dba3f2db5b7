"""Finds memories by their words (FTS5, BM25) and by meaning (cosine of vectors), ordered by a blend of both scores.

Vectors are compared only within one space: the query's. A vector's space is what our record of it says while the
vector is the one we wrote, else the row's own stamp. How both scores are joined: see `blend`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ai_memory.actions.blend import WORDS_WEIGHT, blend, shares, with_guesses
from ai_memory.errors import DataRefused, WordIndexUnusable
from ai_memory.memory.names import is_substrate
from ai_memory.memory.records import Hit
from ai_memory.vectors.blob import decode, head
from ai_memory.vectors.checks import cosines

if TYPE_CHECKING:
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.memory_port_reading import SearchReader
    from ai_memory.stores.memory_values import Candidate
    from ai_memory.vectors.target import Vectors

MIN_DEPTH = 100
"""The least number of memories that each way of searching contributes before both are joined."""


class LeftOut(Enum):
    """Why the vector of a memory was not compared."""

    NO_VECTOR = "no vector"
    OTHER_SPACE = "a vector of another space"
    OTHER_WIDTH = "a vector of another width"
    UNKNOWN_ORIGIN = "a vector of unknown origin"
    MALFORMED = "a malformed vector"


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: `vector` is the query's (float32, shape (dim,)), of `space`; None: by words alone.

    `namespace` is one, or `NS/*` for all below NS; None: everywhere but in ai-memory's own namespaces.
    """

    text: str
    vector: Vectors | None
    space: str
    namespace: str | None
    limit: int
    words_weight: float = WORDS_WEIGHT


@dataclass(frozen=True, slots=True)
class Found:
    """The memories found, best first; how many vectors were not compared and why; how many counted unproven.

    `without_words` is why the index of words was not asked, None where it was.
    """

    hits: tuple[Hit, ...]
    left_out: Mapping[LeftOut, int]
    unproven: int
    without_words: WordIndexUnusable | None = None


@dataclass(slots=True)
class _Compared:
    """Cosines of the `depth` best memories and of those `wanted`, by row number, and what was left out.

    `has_runs`: a migration of ours has begun, so that a vector of unknown origin may be of any space.
    """

    depth: int
    wanted: Collection[int]
    has_runs: bool
    best: list[tuple[float, int]] = field(default_factory=list)
    asked: dict[int, float] = field(default_factory=dict)
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    unproven: int = 0

    def keep(self, cosines: npt.NDArray[np.floating], numbers: npt.NDArray[np.int64]) -> None:
        """Keep the best of these and those before, of equals the earlier row; and what is wanted."""
        order = np.lexsort((numbers, -cosines))[: self.depth]
        pairs = zip(cosines[order].tolist(), (-numbers[order]).tolist(), strict=True)
        self.best = heapq.nlargest(self.depth, [*self.best, *pairs])
        together = zip(numbers.tolist(), cosines.tolist(), strict=True)
        self.asked.update((number, cosine) for number, cosine in together if number in self.wanted)

    @property
    def cosines(self) -> dict[int, float]:
        """The cosine of every memory that was kept."""
        return {**{-negative: cosine for cosine, negative in self.best}, **self.asked}


def recall(library: Library, query: Query) -> Found:
    """Return the memories that fit the query best, from one snapshot of the file.

    Raises:
        WordIndexUnusable: there is no vector to search by, and the words cannot be searched.
    """
    depth = max(MIN_DEPTH, query.limit)
    return library.store.consistently(lambda _: _recall(library.search, query, depth))


def _recall(search: SearchReader, query: Query, depth: int) -> Found:
    try:
        return _searched(search, query, depth)
    except WordIndexUnusable as error:
        if query.vector is None:
            raise
        return replace(_searched(search, replace(query, text=""), depth), without_words=error)


def _searched(search: SearchReader, query: Query, depth: int) -> Found:
    matches = search.matches(query.text, query.namespace)
    words = dict(islice(((each.row_number, each.bm25) for each in matches if _in(query, each.namespace)), depth))
    compared = _compare(search, query, depth, words.keys())
    cosines = compared.cosines
    likely = with_guesses(cosines, shares(words))
    if len(words) == depth and (beyond := cosines.keys() - words.keys()):
        # The order by words was cut off: what meaning found may have words as well.
        words |= search.bm25(query.text, beyond)
    scores = blend(shares(words), likely, query.words_weight)
    best = heapq.nlargest(query.limit, ((score, -number) for number, score in scores.items()))
    hits = tuple(_hit(search, -negative, score, cosines.get(-negative)) for score, negative in best)
    return Found(hits, dict(compared.left_out), compared.unproven)


def _in(query: Query, namespace: str) -> bool:
    return query.namespace is not None or not is_substrate(namespace)


def _hit(search: SearchReader, number: int, score: float, cosine: float | None) -> Hit:
    found = search.text(number)
    return Hit(found.id, found.namespace, found.title, found.content, score, cosine)


def _compare(search: SearchReader, query: Query, depth: int, wanted: Collection[int]) -> _Compared:
    compared = _Compared(depth, wanted, search.has_runs())
    if query.vector is None:
        return compared
    for block in search.candidates(query.namespace):
        chosen = _choose(
            [each for each in block if _in(query, each.namespace)], query.space, len(query.vector), compared
        )
        if chosen:
            _score(chosen, query.vector, compared)
    return compared


def _choose(block: Sequence[Candidate], space: str, dim: int, compared: _Compared) -> list[tuple[Candidate, Vectors]]:
    chosen: list[tuple[Candidate, Vectors]] = []
    for each in block:
        verdict = judge(each, space, dim, has_runs=compared.has_runs)
        if isinstance(verdict, LeftOut):
            compared.left_out[verdict] += 1
        else:
            chosen.append((each, verdict))
    return chosen


def _score(chosen: Sequence[tuple[Candidate, Vectors]], query: Vectors, compared: _Compared) -> None:
    found = cosines(np.stack([vector for _, vector in chosen]), query)
    sound = np.flatnonzero(~np.isnan(found))
    if len(sound) < len(chosen):
        compared.left_out[LeftOut.MALFORMED] += len(chosen) - len(sound)
    compared.unproven += sum(_origin(chosen[index][0]) is None for index in sound.tolist())
    numbers = np.array([each.row_number for each, _ in chosen], dtype=np.int64)
    compared.keep(found[sound], numbers[sound])


def judge(each: Candidate, space: str, dim: int, *, has_runs: bool) -> Vectors | LeftOut:
    """Return the vector of a memory where it may be compared with one of `space` and `dim`, else why not."""
    if each.blob is None:
        return LeftOut.NO_VECTOR
    vector = _vector(each.blob)
    if vector is None or (each.dim is not None and each.dim != len(vector)):
        return LeftOut.MALFORMED
    origin = _origin(each)
    if origin is not None and origin != space:
        return LeftOut.OTHER_SPACE
    if len(vector) != dim:
        return LeftOut.OTHER_WIDTH
    return LeftOut.UNKNOWN_ORIGIN if origin is None and has_runs else vector


def _origin(each: Candidate) -> str | None:
    """Return the space of a memory's vector, None where nothing tells."""
    if each.blob is not None and each.recorded_head is not None and each.recorded_head == head(each.blob):
        return each.recorded_space
    return each.space


def _vector(blob: bytes) -> Vectors | None:
    try:
        return decode(blob)
    except DataRefused:
        return None
