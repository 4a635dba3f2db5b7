"""Embeds a page's documents, and finds the rows that an endpoint refuses by halving the batch.

A refused batch is halved down to single rows: one bad row among n costs at most 2*ceil(log2(n)) more
requests, and one for the canary: a row is only believed to be bad if a harmless text passes right after it.

A batch on which a server fails (500) for as long as it is retried, while a harmless text passes, is divided too, one
attempt a part. A row that fails so by itself may be bad or not: it is left as it is, and does not hold up the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai_memory.embed.document import WITNESS_TEXTS
from ai_memory.embed.embedder import Vectors
from ai_memory.embed.retry import ONE_ATTEMPT, PatientEmbedder
from ai_memory.errors import EmbedError, EndpointUnusable, RowsRefused, TransientFailure
from ai_memory.reembed.judge import Document
from ai_memory.store.quarantine import Reason

CANARY = WITNESS_TEXTS[0]


SERVER_FAILS = frozenset({500, 502, 504})
"""With these a server, or the one before it, says that it broke down over a request; 503 is an outage."""


@dataclass(frozen=True, slots=True)
class Left:
    """Why a document got no vector, though nothing says that it is bad."""

    message: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """What became of one document: its vector (float32, shape (dim,)), or why there is none."""

    document: Document
    outcome: Vectors | Reason | Left


def embed_documents(embedder: PatientEmbedder, documents: Sequence[Document]) -> list[Embedded]:
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


def _embed(embedder: PatientEmbedder, batch: Sequence[Document]) -> list[Embedded]:
    try:
        vectors = embedder.embed_documents([each.text for each in batch])
    except RowsRefused as refusal:
        return _divide(embedder, batch, refusal)
    except TransientFailure as failure:
        if failure.http_status not in SERVER_FAILS:
            raise
        return _leave_out(embedder, batch, failure)
    return [Embedded(document, vector) for document, vector in zip(batch, vectors, strict=True)]


def _divide(embedder: PatientEmbedder, batch: Sequence[Document], refusal: RowsRefused) -> list[Embedded]:
    if len(batch) > 1:
        middle = (len(batch) + 1) // 2
        return _embed(embedder, batch[:middle]) + _embed(embedder, batch[middle:])
    _require_canary(embedder, refusal)
    return [Embedded(batch[0], Reason("refused", refusal.what, refusal.http_status))]


def _leave_out(embedder: PatientEmbedder, batch: Sequence[Document], failure: TransientFailure) -> list[Embedded]:
    """Return what becomes of the parts of a batch on which the server fails, if a harmless text passes."""
    at_once = embedder.with_patience(ONE_ATTEMPT)
    try:
        at_once.embed_documents([CANARY])
    except EmbedError:
        raise failure from None
    if len(batch) == 1:
        return [Embedded(batch[0], Left(failure.what))]
    middle = (len(batch) + 1) // 2
    return _embed(at_once, batch[:middle]) + _embed(at_once, batch[middle:])


def _require_canary(embedder: PatientEmbedder, refusal: RowsRefused) -> None:
    try:
        embedder.embed_documents([CANARY])
    except RowsRefused as error:
        raise EndpointUnusable(
            f"The endpoint refuses every text, even a harmless one: {refusal.what}",
            tip="Correct the endpoint or its settings, then: ai-memory reembed --resume",
        ) from error
