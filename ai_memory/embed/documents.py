"""Embeds a page's documents, and judges the rows whose texts get no vector even alone.

A row is only believed to be bad if it is refused alone, a harmless text passes right after it, the canary, and then it
is refused again: two more requests than to find it. Where the canary is refused too it is the endpoint's fault.

A row over which the server breaks down (500), or for which alone it always asks to come later (429, 503), may be bad or
not, even so: it is left as it is, and does not hold up the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Embedded, Outcome, Refused, Unanswered
from ai_memory.errors import (
    AnswerViolation,
    Breakdown,
    BudgetSpent,
    EmbedError,
    EndpointUnusable,
    RowsRefused,
    TransientFailure,
)
from ai_memory.memory.reason import Reason
from ai_memory.vectors.witness import CANARY

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.memory.freshness import Document
    from ai_memory.vectors.target import Vectors


def embed_documents(embedder: ResilientEmbedder, documents: Sequence[Document]) -> list[Outcome]:
    """Return what became of each document, in order.

    Raises:
        EndpointUnusable: the endpoint refuses a harmless text as well: no row is to blame.
        EmbedError: a request failed in a way that says nothing about a row, or at the canary.
    """
    outcomes = embedder.each([each.text for each in documents])
    return [_judged(embedder, document, outcome) for document, outcome in zip(documents, outcomes, strict=True)]


def _judged(embedder: ResilientEmbedder, document: Document, found: Vectors | EmbedError) -> Outcome:
    """Return what becomes of a document: after a failure, what the canary and one more attempt tell."""
    if not isinstance(found, EmbedError):
        return Embedded(document, found)
    try:
        again = _again(embedder, document.text, found)
    except BudgetSpent as spent:
        return Unanswered(document, spent.what)
    if not isinstance(again, EmbedError):
        return Embedded(document, again)
    if isinstance(found, TransientFailure) or isinstance(again, TransientFailure):
        return Unanswered(document, again.what)
    aside = "" if isinstance(again, RowsRefused | AnswerViolation) else "a harmless text passes, this one does not: "
    return Refused(document, Reason("refused", f"{aside}{again.what}", again.http_status))


def _again(embedder: ResilientEmbedder, text: str, failure: EmbedError) -> Vectors | EmbedError:
    at_once = embedder.at_once()
    if not failure.harmless_passed:
        _require_canary(at_once if isinstance(failure, Breakdown) else embedder, failure)
    [again] = at_once.each([text])
    return again


def _require_canary(embedder: ResilientEmbedder, failure: EmbedError) -> None:
    try:
        embedder.embed_documents([CANARY])
    except RowsRefused as error:
        raise EndpointUnusable(
            f"The endpoint refuses every text, even a harmless one: {failure.what}",
            tip="Correct the endpoint or its settings, then run the same command again.",
        ) from error
