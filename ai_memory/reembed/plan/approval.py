"""Which targets a person approved for a file: an unattended start goes towards no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import OperatorNeeded
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.heartbeat import require_no_pause
from ai_memory.reembed.plan.outlook import all_fresh
from ai_memory.system.person import who

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.wanted import Wanted
    from ai_memory.stores.port import Reader, Transaction
    from ai_memory.vectors.target import Target


def require_approved_name(store: Reader, asked: Wanted, options: Options, *, now_ms: int) -> None:
    """Refuse an unattended start whose target nobody approved, as far as the configured name tells: without a model.

    Raises:
        OperatorNeeded: nobody did, and rows are stale for every target of that space; or the file is paused.
    """
    require_no_pause(store, now_ms=now_ms)
    if not asked.space or store.runs.unfinished_id() is not None:
        return
    store.memories.require_seen(*(options.scope or ()))
    approved = store.operator.approved_at(asked.space, asked.dim) is not None
    if not approved and not all_fresh(store, asked, options.scope, now_ms=now_ms):
        raise unapproved(store, asked.space, asked.dim, options)


def unapproved(store: Reader, space: str, dim: int, options: Options) -> OperatorNeeded:
    """Return the error of a start towards a target that nobody approved."""
    wide = f", {dim} wide" if dim else ""
    where = f" ({options.configured})" if options.configured else ""
    return OperatorNeeded(
        f"Nobody approved the configured target for this file: it is {space}{wide}{where}; "
        f"{store.name} {_what_differs(store, space, dim)}.",
        tip="If it is the right one: ai-memory reembed approve",
    )


def _what_differs(store: Reader, space: str, dim: int) -> str:
    """Return what the file has that this target is not, as the one thing in which both differ."""
    stored = [(name, wide) for name, wide, _ in store.memories.stored_spaces() if name]
    if not stored:
        return "has no vectors with a stamp"
    widths = [wide for name, wide in stored if name == space]
    if not widths:
        return f"has vectors of {printable(stored[0][0])}, {stored[0][1] or 'unknown'} wide"
    if dim and dim not in widths:
        return f"has vectors of the same space, but {widths[0] or 'unknown'} wide: only the width (dim) differs"
    return "has such vectors already, but no run to it was completed here, or its approval was taken back"


def approve_by_hand(transaction: Transaction, target: Target, options: Options, *, now_ms: int) -> None:
    """Approve a target where a person gave the command."""
    if options.by_hand:
        how = "--yes" if options.yes else "by hand"
        transaction.operator.approve(target.space, target.dim, by=who(), how=how, now_ms=now_ms)
