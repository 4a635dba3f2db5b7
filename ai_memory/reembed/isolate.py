"""Embeds a page's documents, and finds the rows that an endpoint refuses by halving the batch.

A refused batch is halved down to single rows: one bad row among n costs at most 2*ceil(log2(n)) more
requests, and one for the canary: a row is only believed to be bad if a harmless text passes right after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai_memory.embed.document import WITNESS_TEXTS
from ai_memory.embed.embedder import Embedder, Vectors
from ai_memory.errors import EndpointUnusable, RowsRefused
from ai_memory.reembed.judge import Document
from ai_memory.store.quarantine import Reason

CANARY = WITNESS_TEXTS[0]


@dataclass(frozen=True, slots=True)
class Embedded:
    """What became of one document: its vector (float32, shape (dim,)), or why the endpoint refused it."""

    document: Document
    outcome: Vectors | Reason


def embed_documents(embedder: Embedder, documents: Sequence[Document]) -> list[Embedded]:
    """Return what became of each document, in order.

    Raises:
        EndpointUnusable: the endpoint refuses a harmless text as well: no row is to blame.
        EmbedError: a request failed in a way that says nothing about a row.
    """
    found: list[Embedded] = []
    while rest := documents[len(found) :]:
        # Asked anew for each request: it may have become smaller, or larger.
        found += _embed(embedder, rest[: embedder.fitting([each.text for each in rest])])
    return found


def _embed(embedder: Embedder, batch: Sequence[Document]) -> list[Embedded]:
    try:
        vectors = embedder.embed_documents([each.text for each in batch])
    except RowsRefused as refusal:
        return _divide(embedder, batch, refusal)
    return [Embedded(document, vector) for document, vector in zip(batch, vectors, strict=True)]


def _divide(embedder: Embedder, batch: Sequence[Document], refusal: RowsRefused) -> list[Embedded]:
    if len(batch) > 1:
        middle = (len(batch) + 1) // 2
        return _embed(embedder, batch[:middle]) + _embed(embedder, batch[middle:])
    _require_canary(embedder, refusal)
    return [Embedded(batch[0], Reason("refused", refusal.what, refusal.http_status))]


def _require_canary(embedder: Embedder, refusal: RowsRefused) -> None:
    try:
        embedder.embed_documents([CANARY])
    except RowsRefused as error:
        raise EndpointUnusable(
            f"The endpoint refuses every text, also a harmless one: {refusal.what}",
            tip="Correct the endpoint or its settings, then: ai-memory reembed --resume",
        ) from error
