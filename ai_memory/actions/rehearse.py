"""How the memories of a sample would be found by a target, and how they are found now.

What is compared is the search as `recall` does it, among the rows of the sample alone: once by the vectors that are
stored, once by those that the target gave.

Where nobody says what is right, a row is to be found by its title. Its title stands in the text that is embedded, and
would be found by any model; so for this one figure the rows that are looked for are embedded without it, by both
models, and their words do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.actions.compare import Scope, compare
from ai_memory.actions.measure import DEPTH, ndcg, overlap, reciprocal_rank
from ai_memory.actions.recall import Query, find
from ai_memory.actions.sampled_search import InSpace, SampledSearch
from ai_memory.frozen import Frozen
from ai_memory.vectors.checks import cosines

if TYPE_CHECKING:
    from ai_memory.actions.compare import QueryVector
    from ai_memory.actions.sample import Sample
    from ai_memory.embed.outcomes import Embedded
    from ai_memory.memory.freshness import Document
    from ai_memory.stores.memory_port import Library
    from ai_memory.vectors.target import Vectors

TITLES = 100
"""Rows that are looked for by their titles, of a larger sample a third; each by one request more.

Of 200 samples of 300 rows of the Cranfield collection the difference between the MRR of two models had a standard
deviation of 0.02 to 0.03 (2026-11-26; 256 numbers against the first 64, and 128, of them)."""


class Question(Frozen):
    """A query: its vector in the target's space, and in those in which the file is served now.

    `now` is None where some embedder gave none. `gains` are those of memories by id, None where nothing was judged.
    """

    text: str
    namespace: str | None
    target: QueryVector
    now: tuple[QueryVector, ...] | None
    gains: Mapping[str, int] | None = None


class Quality(Frozen):
    """How good a search is; `ndcg` is None where nothing was judged."""

    ndcg: float | None
    mrr: float


class Compared(Frozen):
    """How a search of the sample is now, and how by the target's vectors; None where it could not be measured.

    `overlap` is the share of the first ten of one that is in the first ten of the other, over `questions` queries; the
    vectors of `searchable` rows can be searched now.
    """

    questions: int = 0
    searchable: int = 0
    overlap: float | None = None
    now: Quality | None = None
    target: Quality | None = None


def compare_searches(
    library: Library, sample: Sample, embedded: Sequence[Embedded], asked: Sequence[Question]
) -> Compared:
    """Return how the searches compare, of the rows that have a vector of the target's."""
    if not asked:
        return Compared()
    with library.unchanging():
        numbers = library.search.numbers([each.document.id for each in embedded])
        of_row = {numbers[each.document.id]: each for each in embedded if each.document.id in numbers}
        names = {number: each.document.namespace for number, each in of_row.items()}
        stored = {number: sample.stored[name] for name, number in numbers.items() if name in sample.stored}
        new = {number: InSpace(asked[0].target.space, each.vector) for number, each in of_row.items()}
        before, after = SampledSearch(library.search, names, stored), SampledSearch(library.search, names, new)
        searchable = _searchable(before, asked)
        return _compared(
            before, after, asked if searchable else [replace(each, now=None) for each in asked], searchable
        )


def _searchable(search: SampledSearch, asked: Sequence[Question]) -> int:
    now = next((each.now for each in asked if each.now is not None), ())
    found = compare(search, now, Scope(None, substrate=False), depth=0, wanted=())
    return sum(each.figures.count for each in found.compared)


def _compared(before: SampledSearch, after: SampledSearch, asked: Sequence[Question], searchable: int) -> Compared:
    both = [each for each in asked if each.now is not None] or asked
    new = [_ids(after, each, [each.target]) for each in both]
    target = _quality(both, new)
    if both[0].now is None:
        return Compared(len(both), searchable, target=target)
    old = [_ids(before, each, each.now or ()) for each in both]
    return Compared(len(both), searchable, fmean(map(overlap, old, new)), _quality(both, old), target)


def _ids(search: SampledSearch, question: Question, vectors: Sequence[QueryVector]) -> list[str]:
    found = find(search, Query(question.text, tuple(vectors), question.namespace, DEPTH))
    return [each.id or "" for each in found.hits]


def _quality(asked: Sequence[Question], found: Sequence[Sequence[str]]) -> Quality | None:
    figures = [
        (ndcg(gains, each.gains.values()), reciprocal_rank(gains))
        for each, ids in zip(asked, found, strict=True)
        if each.gains is not None
        for gains in [[each.gains.get(name, 0) for name in ids]]
    ]
    if not figures:
        return None
    return Quality(*(fmean(each) for each in zip(*figures, strict=True)))


def untitled(documents: Sequence[Document]) -> list[Document]:
    """Return the rows that can be looked for by their titles, with the text of a document that lacks it."""
    found = []
    for each in documents:
        content = each.content.replace(each.title, " ") if each.title else ""
        if each.title.strip() and content.strip():
            found.append(each._replace(text=content))
    return found[: max(TITLES, len(documents) // 3)]


class Titled(Frozen):
    """What one embedder gave: vectors of rows, of those that are looked for without their titles, and of the titles.

    All of them by the ids of their rows.
    """

    rows: Mapping[str, Vectors]
    untitled: Mapping[str, Vectors]
    titles: Mapping[str, Vectors]

    @property
    def all(self) -> dict[str, Vectors]:
        """The vectors that are searched."""
        return {**self.rows, **self.untitled}

    @property
    def wanted(self) -> set[str]:
        """The rows that can be looked for."""
        return self.untitled.keys() & self.titles.keys()


def compare_by_titles(now: Titled | None, target: Titled) -> tuple[Quality | None, Quality | None]:
    """Return how well rows are found by their titles now and by the target: the same rows, among the same rows.

    None where none can be.
    """
    both = [target] if now is None else [target, now]
    among = [name for name in target.all if all(name in each.all for each in both)]
    wanted = [name for name in among if all(name in each.wanted for each in both)]
    if not wanted:
        return None, (None if now is None else compare_by_titles(None, target)[1])
    figures = [Quality(None, _mrr(each, among, wanted)) for each in both]
    return (None if now is None else figures[1]), figures[0]


def _mrr(of: Titled, among: Sequence[str], wanted: Sequence[str]) -> float:
    vectors = of.all
    rows = np.stack([vectors[each] for each in among])
    place = {name: number for number, name in enumerate(among)}
    return fmean(_rank(rows, of.titles[each], place[each]) for each in wanted)


def _rank(rows: Vectors, query: Vectors, wanted: int) -> float:
    order = np.argsort(-cosines(rows, query), kind="stable")[:DEPTH]
    return reciprocal_rank((order == wanted).astype(float).tolist())
