"""`--stamp-only`: takes the stored vectors for the target's, attested by the operator, and embeds nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ai_memory.errors import StampRefused
from ai_memory.memory.freshness import ATTESTED, Freshness, classify, embeddable
from ai_memory.memory.reason import UNWRITABLE
from ai_memory.reembed.heartbeat import NoSigns
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.targets import enter_target, identity
from ai_memory.reembed.scope import Scope, in_scope, namespaces_in_scope
from ai_memory.reembed.sources import FromRow, NoWorkers
from ai_memory.reembed.sweep.budget import Budget
from ai_memory.reembed.sweep.committer import Committer
from ai_memory.reembed.sweep.joined import joined
from ai_memory.reembed.sweep.journal import Unrecorded
from ai_memory.reembed.sweep.refusal_guard import RefusalGuard
from ai_memory.reembed.sweep.scan import Scan, ScanOrder
from ai_memory.reembed.sweep.schedule import Schedule
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.port import Reader, Snapshot, Store
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
    store.memories.require_seen(*(scope or ()))
    _require_known_width(target)
    _require_no_other(store.consistently(lambda found: _of_other_width(found, target, scope)), target)
    with store.transaction() as transaction:
        known = enter_target(transaction, target, now_ms=tools.clock.now_ms())
    journal = Unrecorded(ATTESTED)
    committer = Committer(store, journal, known, tools)
    sweep = joined(committer, Options(), tools, NoWorkers(), NoSigns(tools.stop), Schedule(), RefusalGuard())
    order = ScanOrder(known, namespaces_in_scope(store, scope), {}, batch=STAMP_ROWS, source=FromRow(), rows=STAMP_ROWS)
    budget = Budget()
    sweep.over(Scan(store, order, budget, stopped=tools.stop.requested), budget)
    done = committer.counters
    refused = sum(reason.kind == UNWRITABLE for _, reason in journal.aside.values())
    unstamped = sweep.rows_left + done.raced + len(journal.aside) - refused
    return Stamped(done.attested, target.space, target.dim, done.already_current, unstamped, refused)


def would_stamp(store: Reader, target: Target, scope: Scope) -> Stamped:
    """Return what `stamp` would do now; writes nothing.

    Raises:
        StampRefused: as `stamp` would.
    """
    store.memories.require_seen(*(scope or ()))
    _require_known_width(target)
    traits = store.memories.traits
    return store.consistently(lambda found: _would_stamp(found, traits, target, scope))


def _would_stamp(snapshot: Snapshot, traits: Traits, target: Target, scope: Scope) -> Stamped:
    _require_no_other(_of_other_width(snapshot, target, scope), target)
    known = snapshot.known(identity(target))
    counts = {"stamped": 0, "already_current": 0, "unstamped": 0}
    for row in snapshot.rows(target=known.id if known else None, only=scope):
        if row.live and in_scope(row.namespace, scope):
            counts[_outcome(traits, known, row, dim=target.dim)] += 1
    return Stamped(active_space=target.space, target_dim=target.dim, **counts)


def _outcome(traits: Traits, known: Fingerprint | None, row: MemoryRow, *, dim: int) -> str:
    if classify(row, known, traits) is Freshness.FRESH:
        return "already_current"
    return "stamped" if embeddable(row) and row.has_sound_vector(dim) else "unstamped"


def _require_known_width(target: Target) -> None:
    if not target.dim:
        raise StampRefused(
            f"The width of {target.model} is not known, so no stored vector can be recognised as its own.",
            tip="Set [embeddings].dim.",
        )


def _require_no_other(other: int, target: Target) -> None:
    if other:
        vectors = counted(other, "stored vector is", "stored vectors are")
        raise StampRefused(
            f"{vectors} not {target.dim} wide as {target.model}'s are; nothing was stamped.",
            tip="Embed them again: ai-memory reembed",
        )


def _of_other_width(snapshot: Snapshot, target: Target, scope: Scope) -> int:
    rows = (row for row in snapshot.rows(target=None, only=scope) if row.live and in_scope(row.namespace, scope))
    return sum(1 for row in rows if row.head and row.width != target.dim)
