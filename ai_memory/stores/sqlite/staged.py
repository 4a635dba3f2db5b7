"""Keeps vectors beside the memories, and says which vectors recall serves.

A vector is written only where the memory still has the text that was embedded, and counts only as long as it has it:
what is staged needs no care of whoever edits, moves or deletes a memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ai_memory.stores.sqlite.origins import SWEPT
from ai_memory.stores.sqlite.which_rows import STAGED_TARGET
from ai_memory.vectors.blob import head

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Binding
    from ai_memory.stores.values import Run, VectorWrite
    from ai_memory.vectors.target import Fingerprint

# The plus and the cast: see walk.ROW.
STAGE = """
    INSERT INTO embedding_staged (memory_id, target, src, head, origin, stretch, embedding)
    SELECT m.id, :target, :src, :head, :origin, :stretch, :blob FROM main.memories AS m
    WHERE m.id = CAST(:id AS TEXT) AND +m.title IS :title AND m.content IS :content {and_envelope}
    ON CONFLICT (memory_id) DO UPDATE SET target = excluded.target, src = excluded.src, head = excluded.head,
        origin = excluded.origin, stretch = excluded.stretch, embedding = excluded.embedding
    RETURNING CAST(memory_id AS BLOB)
"""
VECTORS_OF_TEXT = """
    SELECT src, embedding, head FROM embedding_staged
    WHERE src = CAST(? AS BLOB) AND target = CAST(? AS INTEGER) AND origin <> 'attested' LIMIT 3
"""
IDS = "SELECT CAST(memory_id AS BLOB) FROM embedding_staged WHERE {after} 1 ORDER BY memory_id LIMIT :limit"
AFTER = "memory_id > CAST(:after AS TEXT) AND"
UNPROVEN = f"""
    SELECT CAST(memory_id AS BLOB) FROM embedding_staged
    WHERE target = ? AND stretch = ? AND origin IN ({SWEPT}) ORDER BY memory_id
"""
FORGET = f"""
    DELETE FROM embedding_staged
    WHERE memory_id = CAST(? AS TEXT) AND target = CAST(? AS INTEGER) AND origin IN ({SWEPT})
    RETURNING 1
"""
DISOWN = "DELETE FROM embedding_staged WHERE src = CAST(? AS BLOB) AND target = ? AND embedding = ? RETURNING 1"
TAKE_AWAY = f"""
    DELETE FROM embedding_staged
    WHERE memory_id = CAST(? AS TEXT) AND target = CAST(? AS INTEGER) AND origin IN (?, {SWEPT}) RETURNING 1
"""
DROP_OF_MEMORY = "DELETE FROM embedding_staged WHERE memory_id = CAST(? AS TEXT)"
DROP_OF_TARGET = "DELETE FROM embedding_staged WHERE memory_id = CAST(? AS TEXT) AND target = CAST(? AS INTEGER)"
DROP = "DELETE FROM embedding_staged WHERE id IN (SELECT id FROM embedding_staged ORDER BY id LIMIT ?) RETURNING 1"
COUNT = "SELECT count(*) FROM embedding_staged"
ANY_STAGED = "SELECT EXISTS (SELECT 1 FROM embedding_staged)"
ACTIVE = "SELECT run_id, target FROM embedding_active"
ACTIVATE = "INSERT OR REPLACE INTO embedding_active (only_row, run_id, target) VALUES (1, ?, ?)"
DEACTIVATE = "DELETE FROM embedding_active"


def write(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint) -> list[bool]:
    """Stage each vector if its memory still has that very text; return one answer a vector."""
    bindings: list[dict[str, Binding]] = [
        {
            "id": transaction.codec.bound(each.id),
            "title": each.title,
            "content": each.content,
            "envelope": each.envelope,
            "target": fingerprint.id,
            "src": each.src,
            "head": head(each.blob),
            "origin": each.origin,
            "stretch": fingerprint.stretch - each.proven,
            "blob": each.blob,
        }
        for each in writes
    ]
    sql = STAGE.format(and_envelope=transaction.schema.and_envelope(":envelope"))
    staged = {transaction.codec.name(row[0]) for row in transaction.db.execute_many(sql, bindings)}
    return [each.id in staged for each in writes]


def is_any(store: Store) -> bool:
    """Return whether anything is staged; costs nothing where nothing is."""
    return bool(store.db.value(ANY_STAGED))


def ids_after(store: Store, after: str | None, *, limit: int) -> list[str]:
    """Return the next memories with a staged vector, in the order of the index."""
    bindings: dict[str, Binding] = {"limit": limit}
    if after is not None:
        bindings["after"] = store.codec.bound(after)
    found = store.db.execute(IDS.format(after="" if after is None else AFTER), bindings)
    return [store.codec.name(row[0]) for row in found]


def count(store: Store) -> int:
    """Return how many vectors are staged."""
    return int(store.db.value(COUNT))


def unproven(store: Store, fingerprint: Fingerprint) -> list[str]:
    """Return the ids of the memories whose vectors were staged in the target's present stretch."""
    return [store.codec.name(row[0]) for row in store.db.execute(UNPROVEN, (fingerprint.id, fingerprint.stretch))]


def target(store: Store) -> int | None:
    """Return the number of the target to which a staged run is unfinished, None where none is."""
    found: int | None = store.db.value(STAGED_TARGET)
    return found


def forget(transaction: Transaction, ids: Iterable[str], fingerprint: Fingerprint) -> int:
    """Drop what sweeps staged of these memories, and return of how many."""
    return len(transaction.db.execute_many(FORGET, [(transaction.codec.bound(each), fingerprint.id) for each in ids]))


def disown(transaction: Transaction, writes: Iterable[VectorWrite], fingerprint: Fingerprint) -> int:
    """Drop these very vectors of these very texts, and return of how many memories."""
    return len(transaction.db.execute_many(DISOWN, [(each.src, fingerprint.id, each.blob) for each in writes]))


def take_away(transaction: Transaction, ids: Iterable[str], fingerprint: Fingerprint, *, origin: str) -> int:
    """Drop what `origin` or a sweep staged of these memories, and return of how many."""
    bindings = [(transaction.codec.bound(each), fingerprint.id, origin) for each in ids]
    return len(transaction.db.execute_many(TAKE_AWAY, bindings))


def drop_of_memory(transaction: Transaction, memory_id: str) -> None:
    """Drop what is staged of a memory: its text changed, or it was deleted."""
    transaction.db.execute(DROP_OF_MEMORY, (transaction.codec.bound(memory_id),))


def drop_of(transaction: Transaction, ids: Iterable[str], fingerprint: Fingerprint) -> None:
    """Drop what is staged of these memories of a target: they have such vectors themselves now."""
    if is_any(transaction):
        bindings = [(transaction.codec.bound(each), fingerprint.id) for each in ids]
        transaction.db.execute_many(DROP_OF_TARGET, bindings)


def drop(transaction: Transaction, *, limit: int) -> int:
    """Drop at most `limit` of what is staged, whatever it is of, and return how many that were."""
    return len(transaction.db.execute(DROP, (limit,)))


def active(store: Store) -> tuple[int, int | None] | None:
    """Return the run and the target whose vectors are served in the place of the memories' own, None where none are.

    Without a target it is what stood there before the run.
    """
    return next(((int(run_id), target) for run_id, target in store.db.execute(ACTIVE)), None)


def activate(transaction: Transaction, run: Run, *, before: bool) -> None:
    """Serve what a run staged, or what stood there `before` it."""
    transaction.db.execute(ACTIVATE, (run.run_id, None if before else run.target))


def deactivate(transaction: Transaction) -> None:
    """Serve the memories' own vectors."""
    transaction.db.execute(DEACTIVATE)
