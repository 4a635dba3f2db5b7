"""Puts back what runs replaced: the vector, its stamp and its record, as they stood.

Each row is read and judged in the transaction that writes it. It gets back what it had only where its text is the one
that it had then and its vector the one that the run wrote: by the hash of the one and the head of the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ai_memory.errors import StatementRefused, UpdateRefused
from ai_memory.memory.freshness import has_text
from ai_memory.stores.sqlite import walk
from ai_memory.stores.sqlite.previous import UNPROVEN, add_kept
from ai_memory.stores.sqlite.provenance import FORGET_ROW, fires_triggers, not_kept
from ai_memory.stores.sqlite.references import require_references
from ai_memory.stores.values import Room, Span

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow
    from ai_memory.stores.sqlite.base import Transaction
    from ai_memory.stores.sqlite.connection import Binding
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

KEPT = """
    SELECT CAST(memory_id AS BLOB), id, run_id, text_src, written_head, coalesce(octet_length(embedding), 0),
        fingerprint_id, src, head, origin, stretch
    FROM embedding_previous
    WHERE memory_id = CAST(? AS TEXT) AND run_id BETWEEN CAST(? AS INTEGER) AND CAST(? AS INTEGER)
        AND written_head IS NOT NULL
    ORDER BY run_id
"""
PUT_BACK = """
    UPDATE memories SET ({columns}) = (SELECT {columns} FROM embedding_previous WHERE id = CAST(? AS INTEGER))
    WHERE id = CAST(? AS TEXT)
"""
STANDS = """
    SELECT 1 FROM main.memories AS m JOIN embedding_previous AS k ON k.id = CAST(? AS INTEGER)
    WHERE m.id = CAST(? AS TEXT) AND {same}
"""
# Once the row has what was kept, that has its place taken by what the row had, to be taken again.
KEEP_INSTEAD = f"""
    UPDATE OR REPLACE embedding_previous SET run_id = :run, written_head = NULL,
        embedding = :blob, embedding_dim = :dim, embedding_space = CAST(:space AS TEXT),
        (fingerprint_id, src, head, origin, stretch) = (
            SELECT p.fingerprint_id, p.src, p.head, p.origin, iif({UNPROVEN}, NULL, p.stretch)
            FROM embedding_provenance AS p JOIN embedding_fingerprint AS f ON f.id = p.fingerprint_id
            WHERE p.memory_id = CAST(:id AS TEXT)
        )
    WHERE id = CAST(:kept AS INTEGER)
"""
ONLY_TO_BE_TAKEN = """
    UPDATE embedding_previous SET written_head = NULL
    WHERE memory_id = CAST(? AS TEXT) AND run_id BETWEEN CAST(? AS INTEGER) AND CAST(? AS INTEGER)
"""
DROP = "DELETE FROM embedding_previous WHERE id = ?"
# What nobody had seen to be right belongs to the stretch that its target is in now: that may be another.
RECORD = """
    INSERT OR REPLACE INTO embedding_provenance (memory_id, fingerprint_id, src, head, origin, stretch)
    SELECT CAST(? AS TEXT), id, ?, ?, ?, coalesce(?, stretch) FROM embedding_fingerprint WHERE id = CAST(? AS INTEGER)
"""


class _Kept(NamedTuple):
    """What is kept of one memory for one run: a row of KEPT."""

    memory_id: bytes
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


@dataclass(frozen=True, slots=True)
class _Order:
    """What is put back: of which runs, over vectors of which target (None: of any), for whom those are kept.

    The rows to `leave` are left as they are.
    """

    undoes: Span
    keep_for: int | None
    only: int | None = None
    leave: frozenset[str] = frozenset()

    @property
    def runs(self) -> tuple[int, int]:
        return self.undoes.first, self.undoes.last


_Chosen = Sequence[tuple["MemoryRow", Sequence[_Kept]]]
"""Rows with what is kept of each, the earliest run's first: that is what they get."""


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
    return {row_id: done for each in ids for row_id, done in _named(transaction, each, order).items()}


def give_back(transaction: Transaction, ids: Sequence[str], fingerprint: Fingerprint, run_id: int | None) -> list[str]:
    """Give rows back what a run replaced by vectors of the target that turned out to be wrong; return which.

    The wrong vectors are not kept.
    """
    if run_id is None:
        return []
    returned = _return(transaction, ids, _Order(Span(run_id, run_id), None, only=fingerprint.id))
    return [row_id for row_id, done in returned.items() if done]


def _named(transaction: Transaction, memory_id: str, order: _Order) -> dict[str, bool]:
    """Put one memory's vector back; return what `_return` returns.

    Raises:
        UpdateRefused: the database refuses it.
    """
    try:
        done = _return(transaction, [memory_id], order)
    except UpdateRefused:
        raise
    except StatementRefused as refusal:
        raise UpdateRefused(refusal.what, tip=refusal.tip, words=refusal.words, memory_id=memory_id) from refusal
    require_references(transaction.db, memory_id)
    return done


def _return(transaction: Transaction, ids: Sequence[str], order: _Order) -> dict[str, bool]:
    """Put back what memories had, and return of those that exist whether they got it."""
    kept = _kept_of(transaction, ids, order)
    rows = walk.own_rows_by_id(transaction, ids)
    leave = {transaction.codec.bound(each) for each in order.leave}
    mine = [(row, kept.get(row.raw_id, ())) for row in rows if row.raw_id not in leave]
    chosen = [(row, found) for row, found in mine if found and _may_have(row, found, order)]
    columns = transaction.schema.of_vector
    put = PUT_BACK.format(columns=", ".join(columns))
    transaction.db.execute_many(put, [(first.id, row.raw_id) for row, (first, *_) in chosen])
    if fires_triggers(transaction):
        _require_kept(
            transaction, chosen, STANDS.format(same=" AND ".join(f"m.{each} IS k.{each}" for each in columns))
        )
    _keep_instead(transaction, chosen, order)
    _record(transaction, chosen)
    done = {row.raw_id for row, _ in chosen}
    return {row.id: row.raw_id in done for row in rows}


def _kept_of(transaction: Transaction, ids: Sequence[str], order: _Order) -> dict[bytes, list[_Kept]]:
    """Return what is kept of memories, by their ids as the file has them, the earliest run's first."""
    found: defaultdict[bytes, list[_Kept]] = defaultdict(list)
    bindings = [(transaction.codec.bound(each), *order.runs) for each in ids]
    for each in map(_Kept._make, transaction.db.execute_many(KEPT, bindings)):
        found[each.memory_id].append(each)
    return found


def _may_have(row: MemoryRow, kept: Sequence[_Kept], order: _Order) -> bool:
    """Return whether a row has the text it had before the first run, and the vector that the last one wrote."""
    written = row.head == kept[-1].written_head and order.only in (None, row.fingerprint_id)
    return written and has_text(row, kept[0].text_src)


def _require_kept(transaction: Transaction, chosen: _Chosen, stands: str) -> None:
    """Check that what was put back stands there: a trigger may have taken it back at once."""
    for row, (first, *_) in chosen:
        if not transaction.db.value(stands, (first.id, row.raw_id)):
            raise not_kept(transaction, row.id)


def _keep_instead(transaction: Transaction, chosen: _Chosen, order: _Order) -> None:
    """Keep what the rows had in the place of what they got, and count what that changes."""
    if order.keep_for is None:
        transaction.db.execute_many(DROP, [(first.id,) for _, (first, *_) in chosen])
    else:
        transaction.db.execute_many(
            KEEP_INSTEAD, [_replaced(row, first, order.keep_for) for row, (first, *_) in chosen]
        )
    others = [(row.raw_id, *order.runs) for row, kept in chosen if len(kept) > 1]
    transaction.db.execute_many(ONLY_TO_BE_TAKEN, others)
    sizes: defaultdict[int, list[int]] = defaultdict(list)
    for _, (first, *_) in chosen:
        sizes[first.run_id].append(first.size)
    add_kept(transaction, {run_id: -Room(len(each), sum(each)) for run_id, each in sizes.items()})
    if order.keep_for is not None:
        instead = [len(row.embedding or b"") for row, _ in chosen]
        add_kept(transaction, {order.keep_for: Room(len(instead), sum(instead))})


def _replaced(row: MemoryRow, kept: _Kept, run_id: int) -> dict[str, Binding]:
    """Return the bindings of KEEP_INSTEAD."""
    what: dict[str, Binding] = {"blob": row.embedding, "dim": row.dim, "space": row.raw_space}
    return {**what, "run": run_id, "id": row.raw_id, "kept": kept.id}


def _record(transaction: Transaction, chosen: _Chosen) -> None:
    """Put the records back, and delete those of rows that had none."""
    records: list[tuple[Binding, ...]] = [
        (row.raw_id, first.src, first.head, first.origin, first.stretch, first.fingerprint_id)
        for row, (first, *_) in chosen
        if first.fingerprint_id is not None
    ]
    transaction.db.execute_many(RECORD, records)
    without = [(row.raw_id,) for row, (first, *_) in chosen if first.fingerprint_id is None]
    transaction.db.execute_many(FORGET_ROW, without)
