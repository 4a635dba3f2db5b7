"""Finds out in what company an endpoint's vectors are right: with fewer texts per request, or one request at a time.

A remedy only ever asks less of the endpoint. The first is looked for; where the endpoint lies again in spite of it,
it lies now and then, and a text is believed only by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.outcomes import Embedded, Outcome, embedded_of
from ai_memory.embed.probe import apart
from ai_memory.errors import EndpointUnusable
from ai_memory.reembed.sweep.alike import sharing_a_vector, too_many
from ai_memory.reembed.work import KNOWN, TRIES
from ai_memory.vectors.checks import agrees

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.reembed.work import Sizes
    from ai_memory.vectors.target import Vectors


def find_remedy(
    embedder: ResilientEmbedder, outcomes: Sequence[Outcome], differing: Sequence[Embedded], *, tried: int
) -> Sizes:
    """Return within what sizes a page's vectors are right, some of which are `differing`; `tried` remedies failed.

    Nothing else may be in flight.

    Raises:
        EndpointUnusable: nothing does.
        EmbedError: the endpoint failed.
    """
    rows = _differing_first(outcomes, differing)
    texts = [each.document.text for each in rows]
    known = apart(embedder, texts[:KNOWN])
    _require_steady(known, apart(embedder, texts[:KNOWN]))
    _require_different(rows, known)
    if tried == 0 and (found := _side_by_side(embedder, texts, known) or _smaller(embedder, texts, known)):
        return found
    learned = embedder.learned()
    if tried <= 1 and learned.get("inputs") != 1:
        return _inputs(1)
    if tried <= 2 and learned.get("in_flight") != 1 and embedder.concurrency > 1:
        return _one_at_a_time()
    raise EndpointUnusable(
        "The endpoint gives a text another vector than when it is asked alone, even one at a time.",
        tip="Look at that server and its model; then: ai-memory reembed --resume",
    )


def _differing_first(outcomes: Sequence[Outcome], differing: Sequence[Embedded]) -> list[Embedded]:
    """Return the rows with a vector: those that differ, then some from all over the page, then the others."""
    whole = embedded_of(outcomes)
    first = {each.document.id for each in differing[:KNOWN]}
    rest = [each for each in whole if each.document.id not in first]
    step = max(len(rest) // KNOWN, 1)
    others = [each for index, each in enumerate(rest) if index % step]
    return [*(each for each in whole if each.document.id in first), *rest[::step], *others]


def _side_by_side(embedder: ResilientEmbedder, texts: Sequence[str], known: Vectors) -> Sizes | None:
    """Return the remedy of one request at a time where the page's vectors are right while nothing else is asked."""
    if embedder.concurrency > 1 and _holds(embedder, texts, known, size=len(texts)):
        return _one_at_a_time()
    return None


def _smaller(embedder: ResilientEmbedder, texts: Sequence[str], known: Vectors) -> Sizes | None:
    """Return the remedy of the largest half, quarter, … of what one request carries at which vectors are right."""
    most = embedder.fitting(texts)
    size = most // 2
    while size > 1 and not _holds(embedder, texts, known, size=size):
        size //= 2
    return _inputs(size) if size else None


def _holds(embedder: ResilientEmbedder, texts: Sequence[str], known: Vectors, *, size: int) -> bool:
    """Return whether the vectors of the first texts are `known` in several requests of `size`, at both ends of them."""
    count = min(size, len(known))
    for attempt in range(TRIES):
        first = attempt * count % max(len(known) - count + 1, 1)
        middle = (count + 1) // 2
        head, tail = texts[first : first + middle], texts[first + middle : first + count]
        fill = texts[len(known) : len(known) + size - count]
        found = embedder.embed_documents([*head, *fill, *tail])
        at_ends = np.concatenate([found[:middle], found[middle + len(fill) :]])
        if not _right(at_ends, known[first : first + count]):
            return False
    return True


def _right(found: Vectors, known: Vectors) -> bool:
    return all(agrees(one, other) for one, other in zip(found, known, strict=False))


def _require_steady(known: Vectors, again: Vectors) -> None:
    if not _right(again, known):
        raise EndpointUnusable(
            "The endpoint gives the same text different vectors, even when it is asked for nothing else.",
            tip="Look at that server and its model; then: ai-memory reembed --resume",
        )


def _require_different(rows: Sequence[Embedded], known: Vectors) -> None:
    alone = [Embedded(row.document, vector) for row, vector in zip(rows, known, strict=False)]
    shared = len(sharing_a_vector(alone))
    if too_many(shared, len(alone)):
        raise EndpointUnusable(
            f"The endpoint gives different texts the same vector: {shared:,} of {len(alone):,} rows share one.",
            tip="Look at that server and its model; then: ai-memory reembed --resume",
        )


def _inputs(most: int) -> Sizes:
    return {"inputs": most}


def _one_at_a_time() -> Sizes:
    return {"in_flight": 1}
