"""Reads and deletes the records of where the vectors of memories come from, and the vectors by them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ai_memory.stores.postgres import pending, previous, staged
from ai_memory.stores.postgres.names import those_storable
from ai_memory.stores.postgres.origins import SWEPT
from ai_memory.vectors.blob import head, is_sound

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.postgres.connection import Row
    from ai_memory.stores.values import VectorWrite
    from ai_memory.vectors.target import Fingerprint

VECTORS_OF_TEXT = """
    SELECT f.src, f.sent, f.head FROM unnest(%(srcs)s::bytea[]) AS asked (src) CROSS JOIN LATERAL (
        SELECT p.src, {sent} AS sent, p.head FROM embedding_provenance AS p JOIN memories AS m ON m.id = p.memory_id
        WHERE p.src = asked.src AND p.fingerprint_id = %(target)s AND p.origin <> 'attested' AND m.embedding IS NOT NULL
        LIMIT 3
    ) AS f
"""
UNPROVEN = f"""
    SELECT memory_id FROM embedding_provenance
    WHERE fingerprint_id = %(target)s AND stretch = %(stretch)s AND origin IN ({SWEPT}) ORDER BY memory_id
"""
FORGET = f"""
    DELETE FROM embedding_provenance
    WHERE memory_id = ANY(%(ids)s::text[]) AND fingerprint_id = %(target)s AND origin IN ({SWEPT}) RETURNING memory_id
"""
# By the hash, not the id: rows of one text are given each other's vectors.
DISOWN = """
    DELETE FROM embedding_provenance AS r USING memories AS m, pending_vector AS p
    WHERE r.src = p.src AND r.fingerprint_id = %(target)s AND m.id = r.memory_id
        AND m.title IS NOT DISTINCT FROM p.title AND m.content IS NOT DISTINCT FROM p.content
        AND m.embedding = p.embedding
    RETURNING r.memory_id
"""
WRITTEN = f"""
    SELECT m.id, {{sent}}, p.head FROM embedding_provenance AS p JOIN memories AS m ON m.id = p.memory_id
    WHERE p.memory_id = ANY(%(ids)s::text[]) AND p.fingerprint_id = %(target)s
        AND p.origin IN (%(origin)s, {SWEPT}) AND m.embedding IS NOT NULL
    FOR UPDATE OF m
"""
FORGET_ROWS = "DELETE FROM embedding_provenance WHERE memory_id = ANY(%(ids)s::text[])"
TAKE_AWAY = "UPDATE memories SET {columns} WHERE id = ANY(%(ids)s::text[])"
UNSTAMP = "UPDATE memories SET embedding_space = NULL WHERE id = ANY(%(ids)s::text[])"


def forget(transaction: Transaction, ids: Sequence[str], fingerprint: Fingerprint, *, unstamp: bool) -> int:
    """Take back that the vectors of `ids` are the target's; return how many rows that made stale.

    The vectors stay as they are, without provenance and, with `unstamp`, without a stamp of their space.
    """
    bindings = {"ids": those_storable(ids), "target": fingerprint.id}
    return _unstamped(transaction, transaction.db.execute(FORGET, bindings), unstamp=unstamp)


def disown(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint, *, unstamp: bool) -> int:
    """Take back that these very vectors are the target's of these very texts; return of how many rows."""
    pending.lay(transaction, writes, fingerprint)
    previous.doubt_texts(transaction, [each.src for each in writes], fingerprint)
    deleted = transaction.db.execute(DISOWN, {"target": fingerprint.id})
    return _unstamped(transaction, deleted, unstamp=unstamp)


def forget_rows(transaction: Transaction, ids: Sequence[str]) -> None:
    """Delete the records of memories' vectors, whichever target they are of."""
    transaction.db.execute(FORGET_ROWS, {"ids": list(ids)})


def take_away(
    transaction: Transaction, ids: Sequence[str], fingerprint: Fingerprint, *, origin: str, vectors: bool
) -> int:
    """Take the target's vectors away from those of `ids` that `origin` or a sweep gave them; return from how many.

    A vector that somebody else wrote since stays. Without `vectors` they lose their provenance only.
    """
    form = transaction.schema.form
    bindings = {"ids": those_storable(ids), "target": fingerprint.id, "origin": origin}
    found = transaction.db.execute(WRITTEN.format(sent=form.sent("m.embedding")), bindings)
    taken = [str(row_id) for row_id, sent, was in found if head(form.blob(sent) or b"") == was]
    forget_rows(transaction, taken)
    if vectors:
        columns = ", ".join(f"{name} = NULL" for name in transaction.schema.of_vector)
        transaction.db.execute(TAKE_AWAY.format(columns=columns), {"ids": taken})
    return len(taken)


def vectors_of(store: Store, srcs: Collection[bytes], fingerprint: Fingerprint) -> dict[bytes, bytes]:
    """Return the BLOBs that the target gave memories of the texts with these hashes, those to trust, by their hash.

    Those that stand in the memories come before those that stand beside them.
    """
    found: dict[bytes, bytes] = {}
    if not srcs:
        return found
    form, bindings = store.schema.form, {"srcs": list(srcs), "target": fingerprint.id}
    kept = store.db.execute(VECTORS_OF_TEXT.format(sent=form.sent("m.embedding")), bindings)
    kept += staged.vectors_of(store, srcs, fingerprint)
    for src, sent, recorded in kept:
        blob = form.blob(sent) or b""
        if src not in found and head(blob) == recorded and is_sound(blob, fingerprint.dim):
            found[src] = blob
    return found


def unproven(store: Store, fingerprint: Fingerprint) -> list[str]:
    """Return the ids of the rows whose vectors sweeps wrote in the target's present stretch."""
    bindings = {"target": fingerprint.id, "stretch": fingerprint.stretch}
    return [str(row[0]) for row in store.db.execute(UNPROVEN, bindings)]


def _unstamped(transaction: Transaction, deleted: Sequence[Row], *, unstamp: bool) -> int:
    """Delete, with `unstamp`, the stamps of rows whose records were deleted; return how many those were."""
    ids = {str(row[0]) for row in deleted}
    if unstamp and ids and transaction.schema.traits.has_space:
        transaction.db.execute(UNSTAMP, {"ids": sorted(ids)})
    return len(ids)
