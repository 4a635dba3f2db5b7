"""Deletes the record of vectors that are not what their model gives, whoever wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.sqlite.provenance import UNSTAMP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.stores.sqlite.base import Transaction
    from ai_memory.stores.sqlite.connection import Binding
    from ai_memory.stores.values import VectorWrite
    from ai_memory.vectors.target import Fingerprint

# By the hash, not the id: rows of one text are given each other's vectors.
DISOWN = """
    DELETE FROM embedding_provenance
    WHERE src = CAST(:src AS BLOB) AND fingerprint_id = CAST(:target AS INTEGER) AND EXISTS (
        SELECT 1 FROM main.memories AS m
        WHERE m.id = embedding_provenance.memory_id AND m.title IS :title AND m.content IS :content
            AND typeof(m.embedding) = 'blob' AND m.embedding IS CAST(:blob AS BLOB)
    )
    RETURNING CAST(memory_id AS BLOB)
"""


def disown(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint, *, unstamp: bool) -> int:
    """Take back that these very vectors are the target's of these very texts; return of how many rows.

    The vectors stay as they are, without provenance and, with `unstamp`, without a stamp of their space.
    """
    bindings: list[dict[str, Binding]] = [
        {"src": each.src, "target": fingerprint.id, "title": each.title, "content": each.content, "blob": each.blob}
        for each in writes
    ]
    disowned = transaction.db.execute_many(DISOWN, bindings)
    if unstamp and transaction.schema.has_space:
        transaction.db.execute_many(UNSTAMP, disowned)
    return len(disowned)
