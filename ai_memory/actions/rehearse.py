"""Tries a target on a sample of the memories: how they would be found, what all of them would take. Nothing is written.

The sample is drawn by a hash of the ids, so that a second rehearsal asks for the same rows. What is compared is the
search as `recall` does it, among the rows of the sample alone: once by the vectors that are stored, once by those that
the target gave.

Where nobody says what is right, a row is to be found by its title. Its title stands in the text that is embedded, and
would be found by any model; so for this one figure the rows that are looked for are embedded without it, by both
models, and their words do not count.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.actions.compare import Scope, compare
from ai_memory.actions.measure import DEPTH, ndcg, overlap, reciprocal_rank
from ai_memory.actions.recall import Query, find
from ai_memory.actions.sampled_search import InSpace, SampledSearch
from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Refused, Unanswered, embedded_of
from ai_memory.errors import EndpointUnusable
from ai_memory.memory.freshness import Document, examine
from ai_memory.reembed.scope import in_scope
from ai_memory.reembed.sweep.alike import SET_ASIDE, Alike, Shared
from ai_memory.vectors.checks import cosines

if TYPE_CHECKING:
    from ai_memory.actions.compare import QueryVector
    from ai_memory.actions.judgements import Judgements
    from ai_memory.clock import Clock
    from ai_memory.embed.outcomes import Outcome
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.embed.usage import Usage
    from ai_memory.stores.memory_port import Library
    from ai_memory.vectors.target import Vectors

TITLES = 100
"""Rows that are looked for by their titles, of a larger sample a third; each by one request more.

Of 200 samples of 300 rows of the Cranfield collection the difference between the MRR of two models had a standard
deviation of 0.02 to 0.03 (2026-11-26; 256 numbers against the first 64, and 128, of them)."""
BLOCK = 500
"""Rows read at once."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows that were drawn, and the vectors that they had then, by id."""

    documents: tuple[Document, ...]
    stored: Mapping[str, InSpace]


def draw(library: Library, size: int, first: Sequence[str] = ()) -> Sample:
    """Return up to `size` live rows that have a text to embed: those of the ids `first`, then others by lot."""
    with library.unchanging():
        documents = _drawn(library, size, first)
        numbers = library.search.numbers([each.id for each in documents])
        return Sample(tuple(documents), _stored(library, {number: name for name, number in numbers.items()}))


def _drawn(library: Library, size: int, first: Sequence[str]) -> list[Document]:
    most = 2 * size
    while True:
        others = heapq.nsmallest(most, _live(library), key=lot)
        found = list(islice(_documents(library, list(dict.fromkeys([*first, *others]))), size))
        if len(found) == size or len(others) < most:
            return found
        most *= 8


def lot(name: str) -> bytes:
    """Return what decides whether a row, or a query, is drawn: the least first."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, person=b"rehearse").digest()


def _live(library: Library) -> Iterator[str]:
    for each in library.listing.summaries(None):
        if each.live and each.id is not None and in_scope(each.namespace, None):
            yield each.id


def _documents(library: Library, ids: Sequence[str]) -> Iterator[Document]:
    for start in range(0, len(ids), BLOCK):
        for row in library.store.memories.rows_by_id(ids[start : start + BLOCK], target=None):
            if row.live and in_scope(row.namespace, None) and isinstance(found := examine(row), Document):
                yield found


def _stored(library: Library, names: Mapping[int, str]) -> dict[str, InSpace]:
    wanted, found = np.fromiter(names, dtype=np.int64, count=len(names)), {}
    for page in library.search.vectors(None, substrate=False) if names else ():
        for group in page.groups:
            for place in np.flatnonzero(np.isin(group.numbers, wanted)):
                found[names[int(group.numbers[place])]] = InSpace(group.space, group.vectors[place].copy())
    return found


def judged_first(queries: Sequence[str], judged: Judgements) -> list[str]:
    """Return the memories that were judged for these queries: those of one query, drawn by lot, after those of another.

    So a small sample holds all that is right for a few queries, not a little of what is right for each.
    """
    return [memory for query in sorted(queries, key=lot) for memory in judged[query]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the rows of a sample, what their requests used, and the seconds that they took."""

    outcomes: tuple[Outcome, ...] = ()
    usage: Usage | None = None
    seconds: float = 0.0

    @property
    def embedded(self) -> list[Embedded]:
        """Those that have a vector."""
        return embedded_of(self.outcomes)

    @property
    def refused(self) -> list[Refused]:
        """Those that a run would put into quarantine."""
        return [each for each in self.outcomes if isinstance(each, Refused)]

    @property
    def unanswered(self) -> list[Unanswered]:
        """Those that a run would leave as they are."""
        return [each for each in self.outcomes if isinstance(each, Unanswered)]

    def whole(self, rows: int, part: float) -> int:
        """Return how many of `rows` have what `part` of the sample has."""
        return round(rows * part / max(len(self.outcomes), 1))

    def tokens_as_counted(self, tokens: int, counted: Callable[[Document], int]) -> int:
        """Return what `tokens`, counted beforehand, will be if the target charges as it charged for the sample."""
        used = self.usage
        if used is None or not used.tokens or used.unreported_bytes:
            return tokens
        return round(tokens * used.tokens / max(sum(counted(each.document) for each in self.outcomes), 1))


def embed_sample(embedder: ResilientEmbedder, documents: Sequence[Document], clock: Clock) -> Taken:
    """Return what became of the rows; those that a run sets aside for sharing their vector count as refused.

    Raises:
        EmbedError, EndpointUnusable: see `embed.documents.embed_documents`; or too many share one.
    """
    before, began = embedder.meter.spent, clock.monotonic()
    outcomes = embed_documents(embedder, documents)
    used, seconds = embedder.meter.spent - before, clock.monotonic() - began
    if sharing := Shared().too_many(outcomes):
        what = f"{len(sharing):,} of {len(outcomes):,} rows share one"
        raise EndpointUnusable(
            f"The embedder gives different texts the same vector: {what}.",
            tip="Look at that server and its model, then run the same command again.",
        )
    alike = {each.id for each in Alike().observe(outcomes)}
    return Taken(
        tuple(Refused(each.document, SET_ASIDE) if each.document.id in alike else each for each in outcomes),
        used,
        seconds,
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A query: its vector in the target's space, and in those in which the file is served now.

    `now` is None where some embedder gave none. `gains` are those of memories by id, None where nothing was judged.
    """

    text: str
    namespace: str | None
    target: QueryVector
    now: tuple[QueryVector, ...] | None
    gains: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a search is; `ndcg` is None where nothing was judged."""

    ndcg: float | None
    mrr: float


@dataclass(frozen=True, slots=True)
class Compared:
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
            found.append(replace(each, text=content))
    return found[: max(TITLES, len(documents) // 3)]


@dataclass(frozen=True, slots=True)
class Titled:
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
