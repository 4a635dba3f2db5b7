"""Keeps vectors beside the memories, and says which vectors recall serves.

A vector is written only where the memory still has the text that was embedded, and counts only as long as it has it:
what is staged needs no care of whoever edits, moves or deletes a memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from ai_memory.stores.postgres import pending
from ai_memory.stores.postgres.binary_copy import binary_copy
from ai_memory.stores.postgres.names import those_storable
from ai_memory.stores.postgres.origins import SWEPT
from ai_memory.stores.postgres.schema import plain_hash
from ai_memory.stores.postgres.which_rows import STAGED_TARGET
from ai_memory.vectors.blob import head

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.postgres.connection import Row
    from ai_memory.stores.values import Run, VectorWrite
    from ai_memory.vectors.target import Fingerprint

# The memories that still have the text that was embedded, each with what identifies all of its text. Found one by one:
# a join may well be planned by hashes of all texts.
STANDING = """
    SELECT m.id, {text_hash} FROM unnest(%(ids)s::text[], %(texts)s::bytea[], %(envelopes)s::bytea[])
        AS p (id, text, envelope)
    CROSS JOIN LATERAL (SELECT * FROM memories AS named WHERE named.id = p.id LIMIT 1) AS m
    WHERE {plain_hash} = p.text {and_envelope}
"""
DROP_REPLACED = "DELETE FROM embedding_staged WHERE memory_id = ANY(%(ids)s::text[])"
COPY = """
    COPY embedding_staged (memory_id, target, src, head, origin, stretch, text_hash, embedding)
    FROM STDIN (FORMAT binary)
"""
VECTORS_OF_TEXT = """
    SELECT f.src, f.sent, f.head FROM unnest(%(srcs)s::bytea[]) AS asked (src) CROSS JOIN LATERAL (
        SELECT s.src, {sent} AS sent, s.head FROM embedding_staged AS s
        WHERE s.src = asked.src AND s.target = %(target)s AND s.origin <> 'attested' LIMIT 3
    ) AS f
"""
IDS = """
    SELECT memory_id FROM embedding_staged WHERE %(after)s::text IS NULL OR memory_id > %(after)s::text
    ORDER BY memory_id LIMIT %(limit)s
"""
UNPROVEN = f"""
    SELECT memory_id FROM embedding_staged
    WHERE target = %(target)s AND stretch = %(stretch)s AND origin IN ({SWEPT}) ORDER BY memory_id
"""
FORGET = f"""
    DELETE FROM embedding_staged
    WHERE memory_id = ANY(%(ids)s::text[]) AND target = %(target)s AND origin IN ({SWEPT})
"""
DISOWN = """
    DELETE FROM embedding_staged AS s USING pending_vector AS p
    WHERE s.src = p.src AND s.target = %(target)s AND s.embedding = p.embedding
"""
TAKE_AWAY = f"""
    DELETE FROM embedding_staged
    WHERE memory_id = ANY(%(ids)s::text[]) AND target = %(target)s AND origin IN (%(origin)s, {SWEPT})
"""
DROP_OF_MEMORY = "DELETE FROM embedding_staged WHERE memory_id = %(id)s"
DROP_OF_TARGET = "DELETE FROM embedding_staged WHERE memory_id = ANY(%(ids)s::text[]) AND target = %(target)s"
DROP = "DELETE FROM embedding_staged WHERE id IN (SELECT id FROM embedding_staged ORDER BY id LIMIT %(limit)s)"
COUNT = "SELECT count(*) FROM embedding_staged"
ANY_STAGED = "SELECT EXISTS (SELECT 1 FROM embedding_staged)"
ACTIVE = "SELECT run_id, target FROM embedding_active"
ACTIVATE = """
    INSERT INTO embedding_active (only_row, run_id, target) VALUES (1, %(run_id)s, %(target)s)
    ON CONFLICT (only_row) DO UPDATE SET run_id = excluded.run_id, target = excluded.target
"""
DEACTIVATE = "DELETE FROM embedding_active"


def write(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint) -> list[bool]:
    """Stage each vector if its memory still has that very text; return one answer per vector.

    The vectors come by one binary COPY to where they stay: by way of a table of the connection's own a run took
    1.5 times the processor time of the server (8,000 rows of 768 numbers, one pair, 2026-11). Whoever edits a memory
    meanwhile leaves a vector that counts no more.
    """
    if not writes:
        return []
    db, form = transaction.db, transaction.schema.form
    hashes = _standing(transaction, writes)
    db.execute(DROP_REPLACED, {"ids": list(hashes)})
    rows = [
        (
            each.id,
            fingerprint.id,
            each.src,
            head(each.blob),
            each.origin,
            fingerprint.stretch - each.proven,
            hashes[each.id],
            form.received(each.blob),
        )
        for each in writes
        if each.id in hashes
    ]
    if rows:
        db.copy_in(COPY, binary_copy(rows))
    return [each.id in hashes for each in writes]


def _standing(transaction: Transaction, writes: Sequence[VectorWrite]) -> dict[str, bytes]:
    """Return the hash of the whole text of each memory that has the text of its write, by id."""
    schema = transaction.schema
    sql = STANDING.format(text_hash=schema.text_hash, plain_hash=schema.plain_hash, and_envelope=schema.and_envelope)
    texts = [plain_hash(each.title, each.content) for each in writes]
    asked = {"ids": [each.id for each in writes], "texts": texts, "envelopes": [each.envelope for each in writes]}
    return {str(memory_id): bytes(text_hash) for memory_id, text_hash in transaction.db.execute(sql, asked)}


def is_any(store: Store) -> bool:
    """Return whether anything is staged; costs nothing where nothing is."""
    return bool(store.db.value(ANY_STAGED))


def vectors_of(store: Store, srcs: Collection[bytes], fingerprint: Fingerprint) -> list[Row]:
    """Return hash, vector as it is sent and head of what is staged of these texts of a target."""
    if not is_any(store):
        return []
    sql = VECTORS_OF_TEXT.format(sent=store.schema.form.sent("s.embedding"))
    return store.db.execute(sql, {"srcs": list(srcs), "target": fingerprint.id})


def ids_after(store: Store, after: str | None, *, limit: int) -> list[str]:
    """Return the next memories with a staged vector, in the order of the index."""
    return [str(row[0]) for row in store.db.execute(IDS, {"after": after, "limit": limit})]


def count(store: Store) -> int:
    """Return how many vectors are staged."""
    return int(store.db.value(COUNT))


def unproven(store: Store, fingerprint: Fingerprint) -> list[str]:
    """Return the ids of the memories whose vectors were staged in the target's present stretch."""
    bindings = {"target": fingerprint.id, "stretch": fingerprint.stretch}
    return [str(row[0]) for row in store.db.execute(UNPROVEN, bindings)]


def target(store: Store) -> int | None:
    """Return the number of the target to which a staged run is unfinished, None where none is."""
    found: int | None = store.db.value(STAGED_TARGET)
    return found


def forget(transaction: Transaction, ids: Iterable[str], fingerprint: Fingerprint) -> int:
    """Drop what sweeps staged of these memories, and return of how many."""
    return transaction.db.change(FORGET, {"ids": those_storable(ids), "target": fingerprint.id})


def disown(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint) -> int:
    """Drop these very vectors of these very texts, and return of how many memories."""
    pending.lay(transaction, writes, fingerprint)
    return transaction.db.change(DISOWN, {"target": fingerprint.id})


def take_away(transaction: Transaction, ids: Iterable[str], fingerprint: Fingerprint, *, origin: str) -> int:
    """Drop what `origin` or a sweep staged of these memories, and return of how many."""
    bindings = {"ids": those_storable(ids), "target": fingerprint.id, "origin": origin}
    return transaction.db.change(TAKE_AWAY, bindings)


def drop_of_memory(transaction: Transaction, memory_id: str) -> None:
    """Drop what is staged of a memory: its text changed, or it was deleted."""
    transaction.db.execute(DROP_OF_MEMORY, {"id": memory_id})


def drop_of(transaction: Transaction, ids: Iterable[str], fingerprint: Fingerprint) -> None:
    """Drop what is staged of these memories of a target: they have such vectors themselves now."""
    if is_any(transaction):
        transaction.db.execute(DROP_OF_TARGET, {"ids": list(ids), "target": fingerprint.id})


def drop(transaction: Transaction, *, limit: int) -> int:
    """Drop at most `limit` of what is staged, whatever it is of, and return how many that were."""
    return transaction.db.change(DROP, {"limit": limit})


def active(store: Store) -> tuple[int, int | None] | None:
    """Return the run and the target whose vectors are served in the place of the memories' own, None where none are.

    Without a target it is what stood there before the run.
    """
    return next(((int(run_id), target) for run_id, target in store.db.execute(ACTIVE)), None)


def activate(transaction: Transaction, run: Run, *, before: bool) -> None:
    """Serve what a run staged, or what stood there `before` it."""
    transaction.db.execute(ACTIVATE, {"run_id": run.run_id, "target": None if before else run.target})


def deactivate(transaction: Transaction) -> None:
    """Serve the memories' own vectors."""
    transaction.db.execute(DEACTIVATE)
