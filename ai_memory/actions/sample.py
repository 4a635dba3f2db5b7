"""A sample of the memories, on which a target is tried, and what became of it there. Nothing is written.

It is drawn by a hash of the ids, so that a second rehearsal asks for the same rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.actions.sampled_search import InSpace
from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Refused, Unanswered, embedded_of
from ai_memory.errors import EndpointUnusable
from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Document, examine
from ai_memory.reembed.scope import in_scope
from ai_memory.reembed.sweep.alike import SET_ASIDE, Alike, Shared

if TYPE_CHECKING:
    from ai_memory.actions.judgements import Judgements
    from ai_memory.clock import Clock
    from ai_memory.embed.outcomes import Outcome
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.embed.usage import Usage
    from ai_memory.stores.memory_port import Library

BLOCK = 500
"""Rows read at once."""


class Sample(Frozen):
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


class Taken(Frozen):
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
