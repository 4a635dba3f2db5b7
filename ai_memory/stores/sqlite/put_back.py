"""Puts back what runs replaced: the vector, its stamp and its record, as they stood.

Each row is read and judged in the transaction that writes it. It gets back what it had only where its text is the one
that it had then and its vector the one that the run wrote: by the hash of the one and the head of the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import has_text
from ai_memory.stores.sqlite.among import VALUES, among
from ai_memory.stores.sqlite.previous import DROP, UNPROVEN, add_kept, note_dropped
from ai_memory.stores.sqlite.provenance import FORGET_ROW, fires_triggers, not_kept, set_records
from ai_memory.stores.sqlite.reads import READS
from ai_memory.stores.sqlite.references import naming
from ai_memory.stores.sqlite.walk import OF_MEMORY, OF_ROW, memory_row
from ai_memory.stores.values import Room, Span

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow
    from ai_memory.stores.sqlite.base import Transaction
    from ai_memory.stores.sqlite.connection import Binding
    from ai_memory.stores.sqlite.provenance import Record
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

# One statement for all that a page is judged by, and for what it had: another join costs 2 to 5 us a memory.
KEPT = f"""
    SELECT {OF_MEMORY}, p.fingerprint_id, p.src, p.head, p.origin, q.src, {READS},
        m.row_number, iif({UNPROVEN}, NULL, p.stretch),
        k.id, k.run_id, k.text_src, k.written_head, coalesce(octet_length(k.embedding), 0),
        k.fingerprint_id, k.src, k.head, k.origin, k.stretch
    FROM {VALUES} AS named CROSS JOIN embedding_previous AS k JOIN memory_row AS m ON m.id = k.memory_id
    LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id
    LEFT JOIN embedding_fingerprint AS f ON f.id = p.fingerprint_id
    LEFT JOIN reembed_quarantine AS q ON q.target = NULL AND q.memory_id = m.id
    WHERE k.memory_id = CAST(named.value AS TEXT) AND k.run_id BETWEEN :first AND :last AND k.written_head IS NOT NULL
"""
PUT_BACK = """
    UPDATE memories SET ({columns}) = (SELECT {columns} FROM embedding_previous WHERE id = CAST(? AS INTEGER))
    WHERE rowid = ?
"""
STANDS = """
    SELECT 1 FROM main.memories AS m JOIN embedding_previous AS k ON k.id = CAST(? AS INTEGER)
    WHERE m.rowid = ? AND {same}
"""
# Once the row has what was kept, that has its place taken by what the row had, to be taken again. Of the same text the
# hash stays, and with it the index by texts.
KEEP_INSTEAD = """
    UPDATE OR REPLACE embedding_previous SET run_id = ?, written_head = NULL,
        embedding = ?, embedding_dim = ?, embedding_space = CAST(? AS TEXT),
        fingerprint_id = ?, head = ?, origin = ?, stretch = ?
    WHERE id = CAST(? AS INTEGER)
"""
SET_TEXT = "UPDATE embedding_previous SET src = ? WHERE id = CAST(? AS INTEGER)"
ONLY_TO_BE_TAKEN = """
    UPDATE embedding_previous SET written_head = NULL
    WHERE memory_id = CAST(? AS TEXT) AND run_id BETWEEN CAST(? AS INTEGER) AND CAST(? AS INTEGER)
"""
STRETCHES = "SELECT id, stretch FROM embedding_fingerprint"

BEFORE_KEPT, RUN = OF_ROW + 2, OF_ROW + 3
"""Which columns of KEPT: the first of what is kept, and the run for which that is."""


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
    """A memory as it stands, and what is kept of it, the earliest run's first: that is what it gets.

    `stretch` is that of its record, None where nobody saw its vector to be right.
    """

    row: MemoryRow
    number: int
    stretch: int | None
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

    @property
    def runs(self) -> tuple[int, int]:
        return self.undoes.first, self.undoes.last


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
    leave = {transaction.codec.bound(each) for each in order.leave}
    chosen = [each for raw_id, each in standing.items() if raw_id not in leave and _may_have(each, order)]
    columns = transaction.schema.of_vector
    put = PUT_BACK.format(columns=", ".join(columns))
    transaction.db.execute_many(put, [(each.first.id, each.number) for each in chosen])
    if fires_triggers(transaction):
        _require_kept(
            transaction, chosen, STANDS.format(same=" AND ".join(f"m.{each} IS k.{each}" for each in columns))
        )
    _keep_instead(transaction, chosen, order)
    _record(transaction, chosen)
    done = {each.row.raw_id for each in chosen}
    return {transaction.codec.name(raw_id): raw_id in done for raw_id in standing}


def _standing(transaction: Transaction, ids: Sequence[str], order: _Order) -> dict[bytes, _Standing]:
    """Return the memories that are there and of which something is kept, by their ids as the file has them."""
    found: dict[bytes, _Standing] = {}
    named = [transaction.codec.bound(each) for each in ids]
    span: dict[str, Binding] = {"first": order.undoes.first, "last": order.undoes.last}
    for values in sorted(among(transaction.db, KEPT, named, span), key=itemgetter(RUN)):
        kept = _Kept._make(values[BEFORE_KEPT:])
        if values[0] in found:
            found[values[0]].kept.append(kept)
        else:
            row = memory_row(transaction, values[:OF_ROW])
            found[values[0]] = _Standing(row, values[OF_ROW], values[OF_ROW + 1], [kept])
    return found


def _may_have(standing: _Standing, order: _Order) -> bool:
    """Return whether a row has the text it had before the first run, and the vector that the last one wrote."""
    row, kept = standing.row, standing.kept
    written = row.head == kept[-1].written_head and order.only in (None, row.fingerprint_id)
    return written and has_text(row, kept[0].text_src)


def _require_kept(transaction: Transaction, chosen: Sequence[_Standing], stands: str) -> None:
    """Check that what was put back stands there: a trigger may have taken it back at once."""
    for each in chosen:
        if not transaction.db.value(stands, (each.first.id, each.number)):
            raise not_kept(transaction, each.row.id)


def _keep_instead(transaction: Transaction, chosen: Sequence[_Standing], order: _Order) -> None:
    """Keep what the rows had in the place of what they got, and count what that changes."""
    if order.keep_for is None:
        transaction.db.execute_many(DROP, [(each.first.id,) for each in chosen])
    else:
        transaction.db.execute_many(KEEP_INSTEAD, [_replaced(each, order.keep_for) for each in chosen])
        other = [each for each in chosen if each.row.recorded_src != each.first.src]
        transaction.db.execute_many(SET_TEXT, [(each.row.recorded_src, each.first.id) for each in other])
    transaction.db.execute_many(
        ONLY_TO_BE_TAKEN, [(each.row.raw_id, *order.runs) for each in chosen if len(each.kept) > 1]
    )
    note_dropped(transaction, [(each.first.run_id, each.first.size) for each in chosen])
    if order.keep_for is not None:
        instead = [len(each.row.embedding or b"") for each in chosen]
        add_kept(transaction, {order.keep_for: Room(len(instead), sum(instead))})


def _replaced(standing: _Standing, run_id: int) -> tuple[Binding, ...]:
    """Return the bindings of KEEP_INSTEAD."""
    row = standing.row
    record = (row.fingerprint_id, row.recorded_head, row.origin, standing.stretch)
    return run_id, row.embedding, row.dim, row.raw_space, *record, standing.first.id


def _record(transaction: Transaction, chosen: Sequence[_Standing]) -> None:
    """Put the records back, and delete those of rows that had none."""
    # What nobody had seen to be right belongs to the stretch that its target is in now: that may be another.
    stretches: dict[int, int] = dict(transaction.db.execute(STRETCHES))
    records: list[Record] = [
        (target, kept.head, kept.origin, kept.stretch if kept.stretch is not None else now, each.row.raw_id, kept.src)
        for each in chosen
        if (target := (kept := each.first).fingerprint_id) is not None and (now := stretches.get(target)) is not None
    ]
    set_records(transaction, records)
    without = [(each.row.raw_id,) for each in chosen if each.first.fingerprint_id is None]
    transaction.db.execute_many(FORGET_ROW, without)
