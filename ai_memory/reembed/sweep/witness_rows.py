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


def mixed_up(vectors: Vectors) -> PageAnswer:
    """Return the answer that tells the witness texts, which got `vectors`, as rows that differ."""
    rows = tuple(Embedded(witness_document(text), vector) for text, vector in zip(WITNESS_TEXTS, vectors, strict=True))
    return PageAnswer(rows, WITNESS_TEXTS, rows)
