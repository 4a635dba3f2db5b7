"""Finds memories by their words (FTS5, BM25) and by meaning (cosine of vectors), ordered by a blend of both scores.

Vectors are compared only within one space, see `compare`. Where the file has several, `merge` makes what they say
comparable. How words and meaning are joined: see `blend`.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from ai_memory.actions.blend import WORDS_WEIGHT, blend, shares, with_guesses
from ai_memory.actions.compare import QueryVector, Scope, compare
from ai_memory.actions.merge import OfSpace, merged
from ai_memory.errors import WordIndexUnusable
from ai_memory.frozen import Frozen, field
from ai_memory.memory.names import is_substrate
from ai_memory.memory.records import Hit

if TYPE_CHECKING:
    from ai_memory.actions.compare import Comparison, LeftOut
    from ai_memory.actions.kept_vectors import KeptVectors
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.memory_port_reading import SearchReader

MIN_DEPTH = 100
"""The least number of memories that each way of searching contributes before both are joined."""


class Query(Frozen):
    """What is looked for: `vectors` are the query's, one for each space; none of them: by words alone.

    `namespace` is one, or `NS/*` for all below NS; None: everywhere but in ai-memory's own namespaces.
    """

    text: str
    vectors: tuple[QueryVector, ...]
    namespace: str | None
    limit: int
    words_weight: float = WORDS_WEIGHT

    @property
    def scope(self) -> Scope:
        """Whose memories are looked at."""
        return Scope(self.namespace, substrate=self.namespace is not None)


class Found(Frozen):
    """The memories found, best first; how many vectors were not compared and why; how many counted unproven.

    `without_words` is why the index of words was not asked, None where it was. `other_spaces` has how many vectors of
    each space are left out because the query has none there.
    """

    hits: tuple[Hit, ...]
    left_out: Mapping[LeftOut, int]
    unproven: int
    without_words: WordIndexUnusable | None = None
    other_spaces: Mapping[str, int] = field(default_factory=dict)


def recall(library: Library, query: Query, kept: KeptVectors | None = None) -> Found:
    """Return the memories that fit the query best, from one snapshot of the file, by vectors that were `kept` of it.

    Raises:
        WordIndexUnusable: there is no vector to search by, and the words cannot be searched.
    """
    search = kept.over(library) if kept else library.search
    return library.store.consistently(lambda _: find(search, query))


def find(search: SearchReader, query: Query) -> Found:
    """Return the memories among those of `search` that fit the query best; inside of `Library.unchanging`.

    Raises:
        WordIndexUnusable: see `recall`.
    """
    depth = max(MIN_DEPTH, query.limit)
    try:
        return _searched(search, query, depth)
    except WordIndexUnusable as error:
        if not query.vectors:
            raise
        return replace(_searched(search, replace(query, text=""), depth), without_words=error)


def _searched(search: SearchReader, query: Query, depth: int) -> Found:
    asked = search.telling(query.text)
    matches = search.matches(asked, query.namespace, substrate=query.scope.substrate)
    words = {each.row_number: each.bm25 for each in islice(matches, depth)}
    comparison = compare(search, query.vectors, query.scope, depth=depth, wanted=words.keys())
    cosines = _cosines(comparison)
    likely = with_guesses(_likeness(search, query, comparison), shares(words))
    if len(words) == depth and (beyond := cosines.keys() - words.keys()):
        # The order by words was cut off: what meaning found may have words as well.
        words |= search.bm25(asked, beyond)
    scores = blend(shares(words), likely, query.words_weight)
    best = heapq.nlargest(query.limit, ((score, -number) for number, score in scores.items()))
    hits = tuple(_hit(search, -negative, score, cosines.get(-negative)) for score, negative in best)
    return Found(hits, comparison.left_out, comparison.unproven, other_spaces=comparison.other_spaces)


def _likeness(search: SearchReader, query: Query, comparison: Comparison) -> dict[int, float]:
    """Return how near each memory is to the query, comparable whatever the space of its vector."""
    figures = [each.figures for each in comparison.compared]
    if query.namespace is not None and sum(bool(each.count) for each in figures) > 1:
        # What a cosine is worth in its space, the file tells better than a part of it.
        whole = Scope(None, substrate=is_substrate(query.namespace))
        figures = [each.figures for each in compare(search, query.vectors, whole, depth=0, wanted=()).compared]
    return merged(
        [
            OfSpace(each.cosines, of_all, each.query.unrelated)
            for each, of_all in zip(comparison.compared, figures, strict=True)
            if each.figures.count
        ]
    )


def _cosines(comparison: Comparison) -> dict[int, float]:
    return {number: cosine for each in comparison.compared for number, cosine in each.cosines.items()}


def _hit(search: SearchReader, number: int, score: float, cosine: float | None) -> Hit:
    found = search.text(number)
    return Hit(found.id, found.namespace, found.title, found.content, score, cosine)
