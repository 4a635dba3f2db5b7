"""What is written of one row, and whether the database would let it be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.errors import StatementRefused, UpdateRefused
from ai_memory.memory.freshness import ATTESTED, Document
from ai_memory.stores.values import NOTHING_KEPT, VectorWrite
from ai_memory.vectors.blob import some_vector

if TYPE_CHECKING:
    from ai_memory.stores.port import Store, Transaction
    from ai_memory.stores.values import Place
    from ai_memory.vectors.target import Fingerprint

REEMBED = "reembed"


def rehearse_documents(
    store: Store, documents: Sequence[Document], enter: Callable[[Transaction], Fingerprint]
) -> dict[str, str]:
    """Return which rows the database would not give a vector, by id, with its words; nothing is left behind.

    `enter` returns the target, entered where need be: all is rolled back.
    """

    def attempt(transaction: Transaction, document: Document) -> None:
        target = enter(transaction)
        transaction.vectors.write([write_of(document, some_vector(target.dim))], target, one_by_one=True)

    return store.structure.rehearse({each.id: partial(attempt, document=each) for each in documents})


def write_of(document: Document, blob: bytes, origin: str = REEMBED, *, proven: bool = False) -> VectorWrite:
    """Return the write of a vector, compared and set by the text that was read; see `VectorWrite` for the rest."""
    title, content, envelope = document.title, document.content, document.envelope
    return VectorWrite(document.id, title, content, blob, document.src, origin, proven, envelope)


def attest_document(
    transaction: Transaction, target: Fingerprint, document: Document, place: Place = NOTHING_KEPT
) -> bool:
    """Take a row's stored vector for the target's, attested by the operator; `place` says whether its record is kept.

    Returns False, with nothing written, where the text changed or the vector has another width.

    Raises:
        UpdateRefused: the database refuses its stamp.
    """
    try:
        return transaction.vectors.attest(write_of(document, b"", ATTESTED), target, place=place)
    except StatementRefused as refusal:
        raise UpdateRefused(refusal.what, tip=refusal.tip, words=refusal.words, memory_id=document.id) from refusal
