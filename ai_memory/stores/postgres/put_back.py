"""Puts back what runs replaced: the vector, its stamp and its record, as they stood.

Each row is held, read and judged in the transaction that writes it. It gets back what it had only where its text is the
one that it had then and its vector the one that the run wrote: by the hash of the one and the head of the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import has_text
from ai_memory.stores.postgres.names import those_storable
from ai_memory.stores.postgres.previous import DROP, UNPROVEN, add_kept, note_dropped
from ai_memory.stores.postgres.references import fires_triggers, naming, not_kept
from ai_memory.stores.postgres.walk import OF_ROW, memory_row
from ai_memory.stores.values import Room, Span

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow
    from ai_memory.stores.postgres.base import Transaction
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

KEPT = """
    SELECT m.id, m.namespace, m.title, m.content, {envelope}, {recipient}, {live}, {sent}, {dim}, {space},
        r.fingerprint_id, r.src, r.head, r.origin, NULL, 0,
        k.id, k.run_id, k.text_src, k.written_head, {size}, k.fingerprint_id, k.src, k.head, k.origin, k.stretch
    FROM embedding_previous AS k JOIN memories AS m ON m.id = k.memory_id
    LEFT JOIN embedding_provenance AS r ON r.memory_id = m.id
    WHERE k.memory_id = ANY(%(ids)s::text[]) AND k.run_id BETWEEN %(first)s AND %(last)s AND k.written_head IS NOT NULL
    ORDER BY k.run_id
    FOR UPDATE OF m
"""
# One statement: it swaps what the row had and what is kept of it, both as they stood before.
PUT_BACK = """
    UPDATE memories AS m SET {columns} FROM embedding_previous AS k
    WHERE k.id = ANY(%(kept)s::bigint[]) AND m.id = k.memory_id
"""
NOT_STANDING = """
    SELECT k.memory_id FROM embedding_previous AS k LEFT JOIN memories AS m ON m.id = k.memory_id
    WHERE k.id = ANY(%(kept)s::bigint[]) AND (m.id IS NULL OR {differs}) LIMIT 1
"""
# Once the row has what was kept, that has its place taken by what the row had, to be taken again.
SET_ASIDE = """
    CREATE TEMP TABLE IF NOT EXISTS standing_vector (
        kept BIGINT PRIMARY KEY, embedding {type}, embedding_dim INTEGER, embedding_space TEXT, fingerprint_id BIGINT,
        src BYTEA, head BYTEA, origin TEXT, stretch BIGINT
    ) ON COMMIT DELETE ROWS;
    DELETE FROM standing_vector;
"""
NOTE_STANDING = f"""
    INSERT INTO standing_vector
        (kept, embedding, embedding_dim, embedding_space, fingerprint_id, src, head, origin, stretch)
    SELECT k.id, m.embedding, {{dim}}, {{space}}, r.fingerprint_id, r.src, r.head, r.origin,
        CASE WHEN {UNPROVEN} THEN NULL ELSE r.stretch END
    FROM embedding_previous AS k JOIN memories AS m ON m.id = k.memory_id
    LEFT JOIN embedding_provenance AS r ON r.memory_id = m.id
    LEFT JOIN embedding_fingerprint AS f ON f.id = r.fingerprint_id
    WHERE k.id = ANY(%(kept)s::bigint[])
"""
# What is kept for that run of these memories already makes room.
MAKE_ROOM = """
    DELETE FROM embedding_previous AS k USING embedding_previous AS put
    WHERE put.id = ANY(%(kept)s::bigint[]) AND k.memory_id = put.memory_id AND k.run_id = %(run_id)s AND k.id <> put.id
"""
KEEP_INSTEAD = """
    UPDATE embedding_previous AS k SET run_id = %(run_id)s, written_head = NULL, embedding = s.embedding,
        embedding_dim = s.embedding_dim, embedding_space = s.embedding_space, fingerprint_id = s.fingerprint_id,
        src = s.src, head = s.head, origin = s.origin, stretch = s.stretch
    FROM standing_vector AS s WHERE k.id = s.kept
"""
ONLY_TO_BE_TAKEN = """
    UPDATE embedding_previous SET written_head = NULL
    WHERE memory_id = ANY(%(ids)s::text[]) AND run_id BETWEEN %(first)s AND %(last)s
"""
FORGET_RECORDS = """
    DELETE FROM embedding_provenance AS r USING embedding_previous AS k
    WHERE k.id = ANY(%(kept)s::bigint[]) AND k.fingerprint_id IS NULL AND r.memory_id = k.memory_id
"""
# What nobody had seen to be right belongs to the stretch that its target is in now: that may be another.
SET_RECORDS = """
    INSERT INTO embedding_provenance (memory_id, fingerprint_id, src, head, origin, stretch)
    SELECT k.memory_id, k.fingerprint_id, k.src, k.head, k.origin, coalesce(k.stretch, f.stretch)
    FROM embedding_previous AS k JOIN embedding_fingerprint AS f ON f.id = k.fingerprint_id
    WHERE k.id = ANY(%(kept)s::bigint[])
    ON CONFLICT (memory_id) DO UPDATE SET fingerprint_id = excluded.fingerprint_id, src = excluded.src,
        head = excluded.head, origin = excluded.origin, stretch = excluded.stretch
"""


class _Kept(NamedTuple):
    """What is kept of one memory for one run: the end of a row of KEPT."""

    id: int
    run_id: int
    text_src: bytes
    written_head: bytes
    size: int
    fingerprint_id: int | None
    src: bytes | None
    head: bytes | None
    origin: str | None
    stretch: int | None


class _Standing(NamedTuple):
    """A memory as it stands, and what is kept of it, the earliest run's first: that is what it gets."""

    row: MemoryRow
    kept: list[_Kept]

    @property
    def first(self) -> _Kept:
        """What it gets."""
        return self.kept[0]


class _Order(Frozen):
    """What is put back: of which runs, over vectors of which target (None: of any), for whom those are kept.

    The rows to `leave` are left as they are.
    """

    undoes: Span
    keep_for: int | None
    only: int | None = None
    leave: frozenset[str] = frozenset()


def put_back(
    transaction: Transaction,
    ids: Sequence[str],
    undoes: Span,
    run: Run,
    *,
    leave: Collection[str] = (),
    one_by_one: bool = False,
) -> dict[str, bool]:
    """Put back what memories had before the first of some runs wrote there; see the port."""
    order = _Order(undoes, run.run_id, leave=frozenset(leave))
    if not one_by_one:
        return _return(transaction, ids, order)
    returned: dict[str, bool] = {}
    for each in ids:
        with naming(transaction.db, each):
            returned |= _return(transaction, [each], order)
    return returned


def give_back(transaction: Transaction, ids: Sequence[str], fingerprint: Fingerprint, run_id: int | None) -> set[str]:
    """Give rows back what a run replaced by vectors of the target that turned out to be wrong; return which.

    The wrong vectors are not kept.
    """
    if run_id is None:
        return set()
    returned = _return(transaction, ids, _Order(Span(run_id, run_id), None, only=fingerprint.id))
    return {row_id for row_id, done in returned.items() if done}


def _return(transaction: Transaction, ids: Sequence[str], order: _Order) -> dict[str, bool]:
    """Put back what memories had; return of those of which something is kept whether they got it."""
    standing = _standing(transaction, ids, order)
    chosen = {name: each for name, each in standing.items() if name not in order.leave and _may_have(each, order)}
    kept = [each.first.id for each in chosen.values()]
    if kept:
        _note_standing(transaction, kept)
        _put(transaction, kept)
        transaction.db.execute(FORGET_RECORDS, {"kept": kept})
        transaction.db.execute(SET_RECORDS, {"kept": kept})
        _keep_instead(transaction, chosen, order)
    return {name: name in chosen for name in standing}


def _standing(transaction: Transaction, ids: Sequence[str], order: _Order) -> dict[str, _Standing]:
    """Hold and return the memories that are there and of which something is kept, by their ids."""
    schema = transaction.schema
    sql = KEPT.format(
        envelope=schema.column("encrypted_envelope"),
        recipient=schema.recipient,
        live=schema.live,
        sent=schema.form.sent("m.embedding"),
        dim=schema.column("embedding_dim"),
        space=schema.column("embedding_space"),
        size=schema.form.size("k.embedding"),
    )
    found: dict[str, _Standing] = {}
    bindings = {"ids": those_storable(ids), "first": order.undoes.first, "last": order.undoes.last}
    for values in transaction.db.execute(sql, bindings):
        kept = _Kept._make(values[OF_ROW:])
        if values[0] in found:
            found[values[0]].kept.append(kept)
        else:
            found[values[0]] = _Standing(memory_row(transaction, values[:OF_ROW]), [kept])
    return found


def _may_have(standing: _Standing, order: _Order) -> bool:
    """Return whether a row has the text it had before the first run, and the vector that the last one wrote."""
    row, kept = standing.row, standing.kept
    written = row.head == kept[-1].written_head and order.only in (None, row.fingerprint_id)
    return written and has_text(row, kept[0].text_src)


def _note_standing(transaction: Transaction, kept: Sequence[int]) -> None:
    """Note what stands in rows, and its record, before both are replaced."""
    schema = transaction.schema
    transaction.db.run(SET_ASIDE.format(type=schema.form.type))
    sql = NOTE_STANDING.format(dim=schema.column("embedding_dim"), space=schema.column("embedding_space"))
    transaction.db.execute(sql, {"kept": list(kept)})


def _put(transaction: Transaction, kept: Sequence[int]) -> None:
    """Write what is kept into the rows, and check that it stands there: a trigger may have taken it back at once."""
    columns = transaction.schema.of_vector
    sql = PUT_BACK.format(columns=", ".join(f"{each} = k.{each}" for each in columns))
    transaction.db.execute(sql, {"kept": list(kept)})
    if fires_triggers(transaction):
        differs = " OR ".join(f"m.{each} IS DISTINCT FROM k.{each}" for each in columns)
        memory_id = transaction.db.value(NOT_STANDING.format(differs=differs), {"kept": list(kept)})
        if memory_id is not None:
            raise not_kept(transaction, memory_id)


def _keep_instead(transaction: Transaction, chosen: dict[str, _Standing], order: _Order) -> None:
    """Keep what the rows had in the place of what they got, and count what that changes."""
    kept = [each.first.id for each in chosen.values()]
    if order.keep_for is None:
        transaction.db.execute(DROP, {"ids": kept})
    else:
        transaction.db.execute(MAKE_ROOM, {"kept": kept, "run_id": order.keep_for})
        transaction.db.execute(KEEP_INSTEAD, {"run_id": order.keep_for})
    several = [name for name, each in chosen.items() if len(each.kept) > 1]
    span = {"first": order.undoes.first, "last": order.undoes.last}
    transaction.db.execute(ONLY_TO_BE_TAKEN, {"ids": several, **span})
    note_dropped(transaction, [(each.first.run_id, each.first.size) for each in chosen.values()])
    if order.keep_for is not None:
        instead = [len(each.row.embedding or b"") for each in chosen.values()]
        add_kept(transaction, {order.keep_for: Room(len(instead), sum(instead))})
