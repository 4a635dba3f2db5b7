"""Keeps what a run replaces, and tells what is kept.

What stood in a row is copied by SQL, whatever its type, in the transaction that writes over it. The row of the run
counts what is kept of it, so that telling it reads no row of `embedding_previous`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.stores.sqlite.among import VALUES, among
from ai_memory.stores.sqlite.origins import SWEPT
from ai_memory.stores.values import KeptVector, Room, Span, VectorWrite
from ai_memory.vectors.blob import head, is_sound

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Binding, Row
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

UNPROVEN = f"p.origin IN ({SWEPT}) AND p.stretch >= f.stretch"
"""Of a provenance `p` and its target `f`: nobody saw by now that the vector is right."""

# The plus and the casts: see walk.ROW. What stood there before the first write of the run stays.
KEEP = f"""
    INSERT INTO embedding_previous (run_id, memory_id, text_src, written_head,
        embedding, embedding_dim, embedding_space, fingerprint_id, src, head, origin, stretch)
    SELECT ?, m.id, ?, ?, m.embedding, {{dim}}, {{space}},
        p.fingerprint_id, p.src, p.head, p.origin, iif({UNPROVEN}, NULL, p.stretch)
    FROM main.memories AS m LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id
        LEFT JOIN embedding_fingerprint AS f ON f.id = p.fingerprint_id
    WHERE m.id = CAST(? AS TEXT) AND +m.title IS ? AND m.content IS ? {{and_envelope}}
    ON CONFLICT (memory_id, run_id) DO UPDATE SET written_head = excluded.written_head
    RETURNING id, coalesce(octet_length(embedding), 0)
"""
LAST_ID = "SELECT coalesce(max(id), 0) FROM embedding_previous"
ADD_KEPT = """
    UPDATE reembed_run SET kept_rows = max(kept_rows + ?, 0), kept_bytes = max(kept_bytes + ?, 0) WHERE run_id = ?
"""
KEPT_OF_RUNS = "SELECT run_id, kept_rows, kept_bytes FROM reembed_run WHERE kept_rows > 0 ORDER BY run_id DESC"
# A target has a file full of vectors, a text has few: `likely` has SQLite look a vector up by its text.
VECTORS_OF_TEXT = """
    SELECT src, embedding, head, stretch IS NOT NULL FROM embedding_previous
    WHERE likely(fingerprint_id = CAST(? AS INTEGER)) AND src = CAST(? AS BLOB) AND origin <> 'attested'
        AND typeof(embedding) = 'blob'
    ORDER BY stretch IS NULL LIMIT 3
"""
ANY_OF = "SELECT EXISTS (SELECT 1 FROM embedding_previous WHERE fingerprint_id = CAST(? AS INTEGER))"
KNOWN_TEXTS = f"""
    SELECT value FROM {VALUES}
    WHERE EXISTS (SELECT 1 FROM embedding_previous WHERE likely(fingerprint_id = :target) AND src = value)
"""
IDS = """
    SELECT DISTINCT CAST(memory_id AS BLOB) FROM embedding_previous
    WHERE {after} run_id BETWEEN :first AND :last AND written_head IS NOT NULL ORDER BY memory_id LIMIT :limit
"""
REPLACED = f"""
    SELECT CAST(memory_id AS BLOB), text_src, embedding FROM embedding_previous
    WHERE run_id = :run_id AND written_head IS NOT NULL AND typeof(embedding) = 'blob'
        AND memory_id IN (SELECT CAST(value AS TEXT) FROM {VALUES})
"""
AFTER = "memory_id > CAST(:after AS TEXT) AND"
# A staged run writes into the memories only when what it staged is moved there.
WROTE = "iif(staged = 1, moved, reembedded + attested) > 0"
# Without all that a run replaced there is no way back to before it.
LOST = f"undone_by IS NULL AND (keeps_previous = 2 OR ({WROTE} AND kept_rows = 0))"
# What ended without a vector was no step that could be undone.
TO_UNDO = f"""
    SELECT run_id, state, {LOST} FROM reembed_run
    WHERE undoes_first IS NULL AND (finished_at IS NULL OR {WROTE} OR kept_rows > 0 OR undone_by IS NOT NULL)
    ORDER BY run_id DESC
"""
LOST_OF = f"""
    SELECT run_id FROM reembed_run WHERE run_id BETWEEN ? AND ? AND undoes_first IS NULL AND {LOST} ORDER BY run_id
"""
NOTE_STAMPS = """
    INSERT INTO reembed_run (target, target_model, scope_json, state, started_at, last_progress_at, finished_at,
        tool_version, keeps_previous, stamps)
    VALUES (?, ?, 'null', 'cancelled', ?, ?, ?, ?, 1, 1) RETURNING run_id
"""
LEFT = """
    SELECT count(*) FROM embedding_provenance AS p
    WHERE p.fingerprint_id IN (SELECT target FROM reembed_run WHERE run_id BETWEEN ? AND ?)
        AND EXISTS (SELECT 1 FROM main.memories AS m WHERE m.id = p.memory_id)
"""
DROP_TAKEN = """
    DELETE FROM embedding_previous
    WHERE memory_id = CAST(? AS TEXT) AND written_head IS NULL
        AND +fingerprint_id = CAST(? AS INTEGER) AND +src = ?
    RETURNING run_id, coalesce(octet_length(embedding), 0)
"""
DROP_OF_MEMORY = """
    DELETE FROM embedding_previous WHERE memory_id = CAST(? AS TEXT)
    RETURNING run_id, coalesce(octet_length(embedding), 0)
"""
PAGE_SIZE, FREE_PAGES = "PRAGMA main.page_size", "PRAGMA main.freelist_count"
NO_RECORD = "fingerprint_id = NULL, src = NULL, head = NULL, origin = NULL, stretch = NULL"
DOUBT = f"UPDATE embedding_previous SET {NO_RECORD} WHERE fingerprint_id = ? AND stretch IS NULL"
DOUBT_TEXT = f"UPDATE embedding_previous SET {NO_RECORD} WHERE likely(fingerprint_id = ?) AND src = ?"
UNDONE = "UPDATE reembed_run SET undone_by = ? WHERE run_id BETWEEN ? AND ? AND undoes_first IS NULL"
PAGE = """
    SELECT id, run_id, coalesce(octet_length(embedding), 0) FROM embedding_previous WHERE id > ? ORDER BY id LIMIT ?
"""
DROP = "DELETE FROM embedding_previous WHERE id = ?"
# 2: a prune has begun to drop what is kept. What is left of it is no way back.
PRUNED = "UPDATE reembed_run SET keeps_previous = 2 WHERE run_id = ? AND keeps_previous = 1 AND undoes_first IS NULL"


def keep(transaction: Transaction, run_id: int, writes: Sequence[VectorWrite]) -> None:
    """Keep for a run what stands where these vectors are about to be written, where their texts still stand."""
    if not writes:
        return
    before, has_envelope = transaction.db.value(LAST_ID), transaction.schema.has_envelope
    bindings = [
        (run_id, each.src, head(each.blob), transaction.codec.bound(each.id), each.title, each.content)
        + ((each.envelope,) if has_envelope else ())
        for each in writes
    ]
    dim, space = _column(transaction, "embedding_dim"), _column(transaction, "embedding_space")
    sql = KEEP.format(dim=dim, space=space, and_envelope=transaction.schema.and_envelope("?"))
    sizes = [size for kept, size in transaction.db.execute_many(sql, bindings) if kept > before]
    add_kept(transaction, {run_id: Room(len(sizes), sum(sizes))})


def add_kept(transaction: Transaction, rooms: Mapping[int, Room]) -> None:
    """Add to what is kept of each run."""
    changed = [(room.rows, room.bytes, run_id) for run_id, room in rooms.items() if room != Room()]
    transaction.db.execute_many(ADD_KEPT, changed)


def note_dropped(transaction: Transaction, dropped: Iterable[Row]) -> dict[int, Room]:
    """Take rows (run and size) from what is kept of their runs, and return how much that was."""
    sizes: defaultdict[int, list[int]] = defaultdict(list)
    for run_id, size in dropped:
        sizes[run_id].append(size)
    rooms = {run_id: Room(len(found), sum(found)) for run_id, found in sizes.items()}
    add_kept(transaction, {run_id: -room for run_id, room in rooms.items()})
    return rooms


def vectors_of(store: Store, srcs: Collection[bytes], fingerprint: Fingerprint) -> dict[bytes, KeptVector]:
    """Return the kept vectors that the target gave memories of these texts, those seen to be right first."""
    found: dict[bytes, KeptVector] = {}
    target: dict[str, Binding] = {"target": fingerprint.id}
    known = [(fingerprint.id, src) for (src,) in among(store.db, KNOWN_TEXTS, list(srcs), target)]
    for src, blob, recorded, proven in store.db.execute_many(VECTORS_OF_TEXT, known):
        if src not in found and head(blob) == recorded and is_sound(blob, fingerprint.dim):
            found[src] = KeptVector(bytes(blob), bool(proven))
    return found


def has_any_of(store: Store, fingerprint: Fingerprint) -> bool:
    """Return whether any vector that the target gave is kept."""
    return bool(store.db.value(ANY_OF, (fingerprint.id,)))


def ids_after(store: Store, undoes: Span, after: str | None, *, limit: int) -> list[str]:
    """Return the next memories of which something can be put back, in the order of the index."""
    sql = IDS.format(after="" if after is None else AFTER)
    bindings: dict[str, Binding] = {"first": undoes.first, "last": undoes.last, "limit": limit}
    if after is not None:
        bindings["after"] = store.codec.bound(after)
    return [store.codec.name(row[0]) for row in store.db.execute(sql, bindings)]


def replaced_by(store: Store, run_id: int, ids: Sequence[str]) -> dict[str, tuple[bytes, bytes]]:
    """Return the BLOBs that the run replaced, as far as they are kept, each after the hash of its text."""
    names = [store.codec.bound(each) for each in ids]
    found = among(store.db, REPLACED, names, {"run_id": run_id})
    return {store.codec.name(memory_id): (bytes(src), bytes(blob)) for memory_id, src, blob in found}


def kept(store: Store) -> list[tuple[int, Room]]:
    """Return of which runs something is kept, and how much, the latest first."""
    return [(run_id, Room(rows, size)) for run_id, rows, size in store.db.execute(KEPT_OF_RUNS)]


def to_undo(store: Store) -> Span | None:
    """Return the latest run that is no rollback, with those before it that were superseded on the way to it."""
    runs: list[Row] = store.db.execute(TO_UNDO)
    if not runs:
        return None
    first = last = int(runs[0][0])
    for run_id, state, lost in runs[1:]:
        if state != "superseded" or lost:
            break
        first = int(run_id)
    return Span(first, last)


def lost(store: Store, undoes: Span) -> list[int]:
    """Return those of the runs that cannot be undone, as what they replaced is not kept, or not all of it."""
    return [int(row[0]) for row in store.db.execute(LOST_OF, (undoes.first, undoes.last))]


def left_of(store: Store, undoes: Span) -> int:
    """Return how many memories have vectors of these runs' targets."""
    return int(store.db.value(LEFT, (undoes.first, undoes.last)))


def free(store: Store) -> int:
    """Return how many bytes of the file are free, to be used again."""
    return int(store.db.value(PAGE_SIZE)) * int(store.db.value(FREE_PAGES))


def taken(transaction: Transaction, writes: Iterable[VectorWrite], fingerprint: Fingerprint) -> None:
    """Drop what was kept only to be taken again, of vectors that their memories were given again."""
    bindings = [(transaction.codec.bound(each.id), fingerprint.id, each.src) for each in writes]
    note_dropped(transaction, transaction.db.execute_many(DROP_TAKEN, bindings))


def drop_of_memory(transaction: Transaction, memory_id: str) -> None:
    """Drop all that is kept of a memory: it was deleted."""
    note_dropped(transaction, transaction.db.execute(DROP_OF_MEMORY, (transaction.codec.bound(memory_id),)))


def doubt(transaction: Transaction, fingerprint: Fingerprint) -> None:
    """Delete the records of kept vectors of the target that nobody saw to be right."""
    transaction.db.execute(DOUBT, (fingerprint.id,))


def doubt_texts(transaction: Transaction, writes: Iterable[VectorWrite], fingerprint: Fingerprint) -> None:
    """Delete the records of kept vectors that the target gave these texts."""
    transaction.db.execute_many(DOUBT_TEXT, [(fingerprint.id, each.src) for each in writes])


def note_stamps(
    transaction: Transaction, fingerprint: Fingerprint, target_model: str, *, now_ms: int, tool_version: str
) -> int:
    """Enter that vectors are about to be attested, and return the number under which what that replaces is kept."""
    bindings = (fingerprint.id, target_model, now_ms, now_ms, now_ms, tool_version)
    return int(transaction.db.value(NOTE_STAMPS, bindings))


def undone(transaction: Transaction, undoes: Span, by: Run) -> None:
    """Record that runs are undone."""
    transaction.db.execute(UNDONE, (by.run_id, undoes.first, undoes.last))


def prune(transaction: Transaction, after: int, *, spare: Sequence[Span], limit: int) -> tuple[int | None, Room]:
    """Drop what is kept of the next `limit` rows, but for runs to `spare`; return the last of them (None: none was).

    From then on none of the other runs can be undone.
    """
    due = [run_id for run_id, _ in kept(transaction) if not _is_in(run_id, spare)]
    transaction.db.execute_many(PRUNED, [(run_id,) for run_id in due])
    page = transaction.db.execute(PAGE, (after, limit))
    drop = [each for each in page if not _is_in(each[1], spare)]
    transaction.db.execute_many(DROP, [(each[0],) for each in drop])
    rooms = note_dropped(transaction, [each[1:] for each in drop])
    return page[-1][0] if page else None, sum(rooms.values(), Room())


def _is_in(run_id: int, spans: Sequence[Span]) -> bool:
    return any(run_id in each.numbers for each in spans)


def _column(store: Store, name: str) -> str:
    return f"m.{name}" if name in store.schema.columns else "NULL"
