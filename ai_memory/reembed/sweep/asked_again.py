"""Asks for rows by themselves, and for the witness texts: do they get the vectors that they should?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Outcome
from ai_memory.embed.probe import require_witness
from ai_memory.errors import EmbedError
from ai_memory.reembed.sweep.witness_rows import witness_answer
from ai_memory.vectors.checks import agrees
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.reembed.work import PageAnswer
    from ai_memory.vectors.target import Fingerprint


def ask_again(
    embedder: ResilientEmbedder, rows: Iterable[Embedded], *, stopped: Callable[[], bool]
) -> tuple[tuple[str, ...], tuple[Embedded, ...]]:
    """Ask for each row by itself; return the ids of those that got a vector, and those whose vector is another.

    What fails once it is `stopped` is not asked, nor any row after it.

    Raises:
        EmbedError, EndpointUnusable: see `embed_documents`.
    """
    asked: list[str] = []
    differing: list[Embedded] = []
    for each in rows:
        try:
            [alone] = embed_documents(embedder, [each.document])
        except EmbedError:
            if stopped():
                break
            raise
        # What is refused by itself is found out by whoever sends it next.
        if isinstance(alone, Embedded):
            asked.append(each.document.id)
            if not agrees(each.vector, alone.vector):
                differing.append(each)
    return tuple(asked), tuple(differing)


def not_as_before(rows: Sequence[Embedded], now: Sequence[Outcome]) -> list[Embedded]:
    """Return those of `rows` whose vector is another than what becomes of them now, or for which none came."""
    pairs = zip(rows, now, strict=True)
    return [row for row, each in pairs if not (isinstance(each, Embedded) and agrees(row.vector, each.vector))]


def ask_witness(target: Fingerprint, embedder: ResilientEmbedder) -> PageAnswer:
    """Ask for the witness texts; where they only agree by themselves, the answer tells them as rows that differ.

    Raises:
        TargetChanged: the endpoint serves other weights.
        EmbedError: it failed.
    """
    vectors = embedder.embed_documents(list(WITNESS_TEXTS))
    return witness_answer(vectors, agreed=require_witness(target, embedder, vectors))
