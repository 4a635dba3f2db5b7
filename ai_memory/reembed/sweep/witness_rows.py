"""The witness texts in the shape of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.outcomes import Embedded
from ai_memory.memory.freshness import Document
from ai_memory.reembed.work import PageAnswer
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.vectors.target import Vectors


def witness_document(text: str) -> Document:
    """Return a witness text as the document of no row."""
    return Document(text, "", "", text, text, b"", 0)


def unseen(dim: int) -> Vectors:
    """Return vectors for the witness texts where those that came are not known."""
    return np.ones((len(WITNESS_TEXTS), dim), np.float32)


def witness_answer(vectors: Vectors, *, agreed: bool) -> PageAnswer:
    """Return the answer for the witness texts, which got `vectors`; where these did not agree, as rows that differ."""
    if agreed:
        return PageAnswer()
    rows = tuple(Embedded(witness_document(text), vector) for text, vector in zip(WITNESS_TEXTS, vectors, strict=True))
    return PageAnswer(rows, WITNESS_TEXTS, rows)
