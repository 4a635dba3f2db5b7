"""Lays the vectors that are about to be written into a table of the connection's own, by one binary COPY.

From there one statement each keeps, writes and records all of them: of the ways that were measured (binary COPY and
UPDATE FROM, executemany, UPDATE FROM unnest) it is the fastest by half (1,000 rows of 384 numbers, 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.postgres.binary_copy import binary_copy
from ai_memory.vectors.blob import head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.stores.postgres.base import Transaction
    from ai_memory.stores.values import VectorWrite
    from ai_memory.vectors.target import Fingerprint

LAY = """
    CREATE TEMP TABLE IF NOT EXISTS pending_vector (
        place BIGINT PRIMARY KEY, id TEXT NOT NULL, title TEXT, content TEXT, envelope BYTEA, embedding {type},
        src BYTEA NOT NULL, head BYTEA NOT NULL, origin TEXT NOT NULL, stretch BIGINT NOT NULL
    ) ON COMMIT DELETE ROWS;
    DELETE FROM pending_vector;
"""
COPY = "COPY pending_vector FROM STDIN (FORMAT binary)"
SAME_TEXT = """
    m.id = p.id AND m.title IS NOT DISTINCT FROM p.title AND m.content IS NOT DISTINCT FROM p.content
"""
"""Of a memory `m` and a vector `p` that is pending: the memory still has the very text that was embedded."""


def lay(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint) -> None:
    """Have `pending_vector` hold these vectors and no other, each by its place among them."""
    form, db = transaction.schema.form, transaction.db
    db.run(LAY.format(type=form.type))
    stretch = fingerprint.stretch
    rows = [
        (
            place,
            each.id,
            each.title,
            each.content,
            each.envelope,
            form.received(each.blob) if each.blob else None,
            each.src,
            head(each.blob),
            each.origin,
            stretch - each.proven,
        )
        for place, each in enumerate(writes)
    ]
    db.copy_in(COPY, binary_copy(rows))
