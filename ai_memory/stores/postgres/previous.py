"""Keeps what a run replaces, and tells what is kept.

What stood in a row is copied by SQL in the transaction that writes over it. The row of the run counts what is kept of
it, so that telling it reads no row of `embedding_previous`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.stores.postgres import beside, exchange
from ai_memory.stores.postgres.names import those_storable
from ai_memory.stores.postgres.origins import SWEPT
from ai_memory.stores.postgres.pending import SAME_TEXT
from ai_memory.stores.values import KeptVector, Room, Span
from ai_memory.vectors.blob import head, is_sound

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.postgres.connection import Row
    from ai_memory.stores.values import Run, VectorWrite
    from ai_memory.vectors.target import Fingerprint

UNPROVEN = f"r.origin IN ({SWEPT}) AND r.stretch >= f.stretch"
"""Of a provenance `r` and its target `f`: nobody saw by now that the vector is right."""

# What stood there before the first write of the run stays. The row is held: nobody changes it before it is written.
KEEP = f"""
    WITH standing AS (
        SELECT m.id, p.src AS text_src, {{text_hash}} AS text_hash, p.head AS written_head, m.embedding,
            {{dim}} AS embedding_dim, {{space}} AS embedding_space, r.fingerprint_id, r.src, r.head, r.origin,
            CASE WHEN {UNPROVEN} THEN NULL ELSE r.stretch END AS stretch
        FROM pending_vector AS p JOIN memories AS m ON {SAME_TEXT} {{and_envelope}}
        LEFT JOIN embedding_provenance AS r ON r.memory_id = m.id
        LEFT JOIN embedding_fingerprint AS f ON f.id = r.fingerprint_id
        FOR UPDATE OF m
    ), kept AS (
        INSERT INTO embedding_previous (run_id, memory_id, text_src, text_hash, written_head,
            embedding, embedding_dim, embedding_space, fingerprint_id, src, head, origin, stretch)
        SELECT %(run_id)s, id, text_src, text_hash, written_head,
            embedding, embedding_dim, embedding_space, fingerprint_id, src, head, origin, stretch
        FROM standing
        ON CONFLICT (memory_id, run_id) DO UPDATE SET written_head = excluded.written_head
        RETURNING (xmax = 0) AS is_new, {{size}} AS size
    )
    SELECT count(*), coalesce(sum(size), 0)::bigint FROM kept WHERE is_new
"""
ADD_KEPT = """
    UPDATE reembed_run SET
        kept_rows = greatest(kept_rows + %(rows)s, 0), kept_bytes = greatest(kept_bytes + %(bytes)s, 0)
    WHERE run_id = %(run_id)s
"""
KEPT_OF_RUNS = "SELECT run_id, kept_rows, kept_bytes FROM reembed_run WHERE kept_rows > 0 ORDER BY run_id DESC"
VECTORS_OF_TEXT = """
    SELECT f.src, f.sent, f.head, f.proven FROM unnest(%(srcs)s::bytea[]) AS asked (src) CROSS JOIN LATERAL (
        SELECT k.src, {sent} AS sent, k.head, k.stretch IS NOT NULL AS proven FROM embedding_previous AS k
        WHERE k.fingerprint_id = %(target)s AND k.src = asked.src AND k.origin <> 'attested' AND k.embedding IS NOT NULL
        ORDER BY k.stretch IS NULL LIMIT 3
    ) AS f
"""
ANY_OF = "SELECT EXISTS (SELECT 1 FROM embedding_previous WHERE fingerprint_id = %(target)s)"
IDS = """
    SELECT DISTINCT memory_id FROM embedding_previous
    WHERE (%(after)s::text IS NULL OR memory_id > %(after)s::text) AND run_id BETWEEN %(first)s AND %(last)s
        AND written_head IS NOT NULL
    ORDER BY memory_id LIMIT %(limit)s
"""
REPLACED = """
    SELECT k.memory_id, k.text_src, {sent} FROM embedding_previous AS k
    WHERE k.run_id = %(run_id)s AND k.written_head IS NOT NULL AND k.embedding IS NOT NULL
        AND k.memory_id = ANY(%(ids)s::text[])
"""
# A staged run writes into the memories only when what it staged is moved there.
WROTE = "CASE WHEN staged = 1 THEN moved ELSE reembedded + attested END > 0"
# Without all that a run replaced there is no way back to before it.
LOST = f"undone_by IS NULL AND (keeps_previous = 2 OR ({WROTE} AND kept_rows = 0))"
# What ended without a vector was no step that could be undone.
TO_UNDO = f"""
    SELECT run_id, state, {LOST} FROM reembed_run
    WHERE undoes_first IS NULL AND (finished_at IS NULL OR {WROTE} OR kept_rows > 0 OR undone_by IS NOT NULL)
    ORDER BY run_id DESC
"""
LOST_OF = f"""
    SELECT run_id FROM reembed_run
    WHERE run_id BETWEEN %(first)s AND %(last)s AND undoes_first IS NULL AND {LOST} ORDER BY run_id
"""
NOTE_STAMPS = """
    INSERT INTO reembed_run (target, target_model, scope_json, state, started_at, last_progress_at, finished_at,
        tool_version, keeps_previous, stamps)
    VALUES (%(target)s, %(model)s, 'null', 'cancelled', %(now)s, %(now)s, %(now)s, %(version)s, 1, 1) RETURNING run_id
"""
LEFT = """
    SELECT count(*) FROM embedding_provenance AS p
    WHERE p.fingerprint_id IN (SELECT target FROM reembed_run WHERE run_id BETWEEN %(first)s AND %(last)s)
        AND EXISTS (SELECT 1 FROM memories AS m WHERE m.id = p.memory_id)
"""
DROP_TAKEN = """
    DELETE FROM embedding_previous AS k USING unnest(%(ids)s::text[], %(srcs)s::bytea[]) AS t (id, src)
    WHERE k.memory_id = t.id AND k.src = t.src AND k.written_head IS NULL AND k.fingerprint_id = %(target)s
    RETURNING k.run_id, {size}
"""
DROP_OF_MEMORY = "DELETE FROM embedding_previous AS k WHERE k.memory_id = %(id)s RETURNING k.run_id, {size}"
NO_RECORD = "fingerprint_id = NULL, src = NULL, head = NULL, origin = NULL, stretch = NULL"
DOUBT = f"UPDATE embedding_previous SET {NO_RECORD} WHERE fingerprint_id = %(target)s AND stretch IS NULL"
DOUBT_TEXTS = f"""
    UPDATE embedding_previous SET {NO_RECORD} WHERE fingerprint_id = %(target)s AND src = ANY(%(srcs)s::bytea[])
"""
UNDONE = """
    UPDATE reembed_run SET undone_by = %(by)s
    WHERE run_id BETWEEN %(first)s AND %(last)s AND undoes_first IS NULL
"""
PAGE = """
    SELECT k.id, k.run_id, {size} FROM embedding_previous AS k WHERE k.id > %(after)s ORDER BY k.id LIMIT %(limit)s
"""
DROP = "DELETE FROM embedding_previous WHERE id = ANY(%(ids)s::bigint[])"
# 2: a prune has begun to drop what is kept. What is left of it is no way back.
PRUNED = """
    UPDATE reembed_run SET keeps_previous = 2
    WHERE run_id = ANY(%(runs)s::bigint[]) AND keeps_previous = 1 AND undoes_first IS NULL
"""


def keep(transaction: Transaction, run_id: int) -> None:
    """Keep for a run what stands where the pending vectors are about to be written, where their texts still stand."""
    schema = transaction.schema
    sql = KEEP.format(
        text_hash=schema.text_hash,
        dim=schema.column("embedding_dim"),
        space=schema.column("embedding_space"),
        and_envelope=schema.and_envelope,
        size=schema.form.size("embedding"),
    )
    [(rows, size)] = transaction.db.execute(sql, {"run_id": run_id})
    add_kept(transaction, {run_id: Room(int(rows), int(size))})


def add_kept(transaction: Transaction, rooms: Mapping[int, Room]) -> None:
    """Add to what is kept of each run."""
    for run_id, room in rooms.items():
        if room != Room():
            transaction.db.execute(ADD_KEPT, {"rows": room.rows, "bytes": room.bytes, "run_id": run_id})


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
    form = store.schema.form
    sql = VECTORS_OF_TEXT.format(sent=form.sent("k.embedding"))
    for src, sent, recorded, proven in store.db.execute(sql, {"srcs": list(srcs), "target": fingerprint.id}):
        blob = form.blob(sent) or b""
        if src not in found and head(blob) == recorded and is_sound(blob, fingerprint.dim):
            found[src] = KeptVector(blob, bool(proven))
    return found


def has_any_of(store: Store, fingerprint: Fingerprint) -> bool:
    """Return whether any vector that the target gave is kept."""
    return bool(store.db.value(ANY_OF, {"target": fingerprint.id}))


def ids_after(store: Store, undoes: Span, after: str | None, *, limit: int) -> list[str]:
    """Return the next memories of which something can be put back, in the order of the index."""
    found = store.db.execute(IDS, {"first": undoes.first, "last": undoes.last, "after": after, "limit": limit})
    return [str(row[0]) for row in found]


def replaced_by(store: Store, run_id: int, ids: Sequence[str]) -> dict[str, tuple[bytes, bytes]]:
    """Return the BLOBs that the run replaced, as far as they are kept, each after the hash of its text."""
    form = store.schema.form
    sql = REPLACED.format(sent=form.sent("k.embedding"))
    found = store.db.execute(sql, {"run_id": run_id, "ids": those_storable(ids)})
    return {memory_id: (src, form.blob(sent) or b"") for memory_id, src, sent in found}


def kept(store: Store) -> list[tuple[int, Room]]:
    """Return of which runs something is kept, and how much, the latest first."""
    found = [(run_id, Room(rows, size)) for run_id, rows, size in store.db.execute(KEPT_OF_RUNS)]
    return sorted(found + exchange.kept(store), key=lambda each: each[0], reverse=True)


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
    return [int(row[0]) for row in store.db.execute(LOST_OF, {"first": undoes.first, "last": undoes.last})]


def left_of(store: Store, undoes: Span) -> int:
    """Return how many memories have vectors of these runs' targets."""
    return int(store.db.value(LEFT, {"first": undoes.first, "last": undoes.last}))


def taken(transaction: Transaction, writes: Sequence[VectorWrite], fingerprint: Fingerprint) -> None:
    """Drop what was kept only to be taken again, of vectors that their memories were given again."""
    sql = DROP_TAKEN.format(size=transaction.schema.form.size("k.embedding"))
    bindings = {"ids": [each.id for each in writes], "srcs": [each.src for each in writes], "target": fingerprint.id}
    note_dropped(transaction, transaction.db.execute(sql, bindings))


def drop_of_memory(transaction: Transaction, memory_id: str) -> None:
    """Drop all that is kept of a memory: it was deleted."""
    sql = DROP_OF_MEMORY.format(size=transaction.schema.form.size("k.embedding"))
    note_dropped(transaction, transaction.db.execute(sql, {"id": memory_id}))


def doubt(transaction: Transaction, fingerprint: Fingerprint) -> None:
    """Delete the records of kept vectors of the target that nobody saw to be right."""
    transaction.db.execute(DOUBT, {"target": fingerprint.id})


def doubt_texts(transaction: Transaction, srcs: Sequence[bytes], fingerprint: Fingerprint) -> None:
    """Delete the records of kept vectors that the target gave these texts."""
    transaction.db.execute(DOUBT_TEXTS, {"target": fingerprint.id, "srcs": list(srcs)})


def note_stamps(
    transaction: Transaction, fingerprint: Fingerprint, target_model: str, *, now_ms: int, tool_version: str
) -> int:
    """Enter that vectors are about to be attested, and return the number under which what that replaces is kept."""
    bindings = {"target": fingerprint.id, "model": target_model, "now": now_ms, "version": tool_version}
    return int(transaction.db.value(NOTE_STAMPS, bindings))


def undone(transaction: Transaction, undoes: Span, by: Run) -> None:
    """Record that runs are undone."""
    transaction.db.execute(UNDONE, {"by": by.run_id, "first": undoes.first, "last": undoes.last})


def prune(transaction: Transaction, after: int, *, spare: Sequence[Span], limit: int) -> tuple[int | None, Room]:
    """Drop what is kept of the next `limit` rows, but for runs to `spare`; return the last of them (None: none was).

    From then on none of the other runs can be undone.
    """
    due = [run_id for run_id, _ in kept(transaction) if not _is_in(run_id, spare)]
    transaction.db.execute(PRUNED, {"runs": due})
    sql = PAGE.format(size=transaction.schema.form.size("k.embedding"))
    page = transaction.db.execute(sql, {"after": after, "limit": limit})
    drop = [each for each in page if not _is_in(each[1], spare)]
    transaction.db.execute(DROP, {"ids": [each[0] for each in drop]})
    rooms = note_dropped(transaction, [each[1:] for each in drop])
    if page:
        return page[-1][0], sum(rooms.values(), Room())
    return None, _drop_columns(transaction, spare)


def _drop_columns(transaction: Transaction, spare: Sequence[Span]) -> Room:
    """Drop what stands in columns beside the memories' own, but of a run to `spare`; return how much it was."""
    found = beside.state(transaction)
    if found is None or _is_in(found.run_id, spare) or not exchange.is_left(transaction):
        return Room()
    kept_there = sum((room for _, room in exchange.kept(transaction)), Room())
    exchange.drop(transaction)
    return kept_there


def _is_in(run_id: int, spans: Sequence[Span]) -> bool:
    return any(run_id in each.numbers for each in spans)
