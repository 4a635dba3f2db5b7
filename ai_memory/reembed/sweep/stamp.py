"""`--stamp-only`: takes the stored vectors for the target's, attested by the operator, and embeds nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ai_memory.errors import StampRefused
from ai_memory.memory.freshness import ATTESTED, Freshness, classify, embeddable
from ai_memory.memory.reason import UNWRITABLE
from ai_memory.memory.row import MemoryRow
from ai_memory.reembed.heartbeat import NoSigns
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.targets import enter_target, known_fingerprint
from ai_memory.reembed.scope import Scope, in_scope, namespaces_in_scope
from ai_memory.reembed.sources import FromRow, NoWorkers
from ai_memory.reembed.sweep.asked_again import Schedule
from ai_memory.reembed.sweep.budget import Budget
from ai_memory.reembed.sweep.committer import Committer
from ai_memory.reembed.sweep.joined import joined
from ai_memory.reembed.sweep.journal import Unrecorded
from ai_memory.reembed.sweep.progressed import Progressed
from ai_memory.reembed.sweep.rate import Rate
from ai_memory.reembed.sweep.refusal_guard import RefusalGuard
from ai_memory.reembed.sweep.scan import Scan, ScanOrder
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.sqlite import walk
from ai_memory.stores.sqlite.consistent import consistently
from ai_memory.stores.sqlite.namespaces import require_seen
from ai_memory.stores.sqlite.store import Store
from ai_memory.text.amounts import counted
from ai_memory.vectors.target import Fingerprint, Target

STAMP_ROWS = 1_000
"""Rows stamped in one transaction: a writer waits no longer than that."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """What was stamped; the fields are the keys of the JSON line.

    `unstamped` rows have no vector, one that nothing can be compared with (NaN, infinity, zeros), or no text that can
    be read; `refused` are those that the database itself lets nobody change.
    """

    stamped: int
    active_space: str
    target_dim: int
    already_current: int
    unstamped: int
    refused: int = 0

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        return asdict(self)

    def text(self) -> str:
        """Return the words for people."""
        refused = f" The database refuses {self.refused:,} more." if self.refused else ""
        left = counted(self.unstamped, "row has", "rows have")
        return (
            f"Stamped {counted(self.stamped, 'vector')} as {self.active_space}, {self.target_dim} wide; "
            f"{counted(self.already_current, 'was', 'were')}, {left} no sound vector or no text to stamp.{refused}"
        )


def stamp(store: Store, target: Target, scope: Scope, tools: SweepTools) -> Stamped:
    """Stamp every stored vector of `scope`; `verify` counts such rows as attested.

    Raises:
        StampRefused: a vector has another width than the target, or the target's width is not known.
    """
    require_seen(store, *(scope or ()))
    _require_width(store, target, scope)
    with store.transaction() as transaction:
        known = enter_target(transaction, target, now_ms=tools.clock.now_ms())
    journal = Unrecorded(ATTESTED)
    committer = Committer(store, journal, known, tools, Progressed(Rate(tools.clock.monotonic())))
    sweep = joined(committer, Options(), tools, NoWorkers(), NoSigns(tools.stop), Schedule(), RefusalGuard())
    order = ScanOrder(known, namespaces_in_scope(store, scope), {}, batch=STAMP_ROWS, source=FromRow(), rows=STAMP_ROWS)
    budget = Budget()
    sweep.over(Scan(store, order, budget, stopped=tools.stop.requested), budget)
    done = committer.counters
    refused = sum(reason.kind == UNWRITABLE for _, reason in journal.aside.values())
    unstamped = sweep.rows_left + done.raced + len(journal.aside) - refused
    return Stamped(done.attested, target.space, target.dim, done.already_current, unstamped, refused)


def would_stamp(store: Store, target: Target, scope: Scope) -> Stamped:
    """Return what `stamp` would do now; writes nothing.

    Raises:
        StampRefused: as `stamp` would.
    """
    return consistently(store.db, lambda: _would_stamp(store, target, scope))


def _would_stamp(store: Store, target: Target, scope: Scope) -> Stamped:
    require_seen(store, *(scope or ()))
    _require_width(store, target, scope)
    known = known_fingerprint(store, target)
    counts = {"stamped": 0, "already_current": 0, "unstamped": 0}
    for row in walk.all_rows(store, target=known.id if known else None, only=scope):
        if row.live and in_scope(row.namespace, scope):
            counts[_outcome(store, known, row, dim=target.dim)] += 1
    return Stamped(active_space=target.space, target_dim=target.dim, **counts)


def _outcome(store: Store, known: Fingerprint | None, row: MemoryRow, *, dim: int) -> str:
    if classify(row, known, store.schema.traits) is Freshness.FRESH:
        return "already_current"
    return "stamped" if embeddable(row) and row.has_sound_vector(dim) else "unstamped"


def _require_width(store: Store, target: Target, scope: Scope) -> None:
    if not target.dim:
        raise StampRefused(
            f"The width of {target.model} is not known, so no stored vector can be recognised as its own.",
            tip="Set [embeddings].dim.",
        )
    if other := consistently(store.db, lambda: _of_other_width(store, target, scope)):
        vectors = counted(other, "stored vector is", "stored vectors are")
        raise StampRefused(
            f"{vectors} not {target.dim} wide as {target.model}'s are; nothing was stamped.",
            tip="Embed them again: ai-memory reembed",
        )


def _of_other_width(store: Store, target: Target, scope: Scope) -> int:
    rows = (row for row in walk.all_rows(store, target=None, only=scope) if row.live and in_scope(row.namespace, scope))
    return sum(1 for row in rows if row.head and row.width != target.dim)
