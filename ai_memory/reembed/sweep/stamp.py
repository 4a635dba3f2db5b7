"""`--stamp-only`: takes the stored vectors for the target's, attested by the operator, and embeds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ai_memory.memory.freshness import ATTESTED
from ai_memory.reembed.plan.stamping import Stamped, noted, require_stampable
from ai_memory.reembed.plan.targets import enter_target
from ai_memory.reembed.scope import Scope, namespaces_in_scope
from ai_memory.reembed.sources import FromRow, NoWorkers
from ai_memory.reembed.sweep.scan import ScanOrder
from ai_memory.reembed.sweep.without_run import WithoutRun
from ai_memory.stores.values import NOTHING_KEPT

if TYPE_CHECKING:
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Target

STAMP_ROWS = 1_000
"""Rows stamped in one transaction: a writer waits no longer than that."""


def stamp(
    store: Store,
    target: Target,
    scope: Scope,
    tools: SweepTools,
    *,
    only: Mapping[str, bytes] | None = None,
    undo: bool = True,
) -> Stamped:
    """Stamp every stored vector of `scope`, or `only` those (see `FromRow`); `verify` counts such rows as attested.

    Unless there is to be no `undo`, what that replaces is kept.

    Raises:
        StampRefused: a vector has another width than the target, and not `only` some are stamped; or the target's
            width is not known.
    """
    require_stampable(store, target, scope, each=only is not None)
    now_ms = tools.clock.now_ms()
    with store.transaction() as transaction:
        known = enter_target(transaction, target, now_ms=now_ms)
        place = noted(transaction, known, target.model, now_ms=now_ms) if undo else NOTHING_KEPT
    work = WithoutRun(store, known, tools, NoWorkers(), origin=ATTESTED, batch=STAMP_ROWS, place=place)
    namespaces = namespaces_in_scope(store, scope)
    work.over(ScanOrder(known, namespaces, {}, batch=STAMP_ROWS, source=FromRow(only), rows=STAMP_ROWS))
    done, refused = work.committer.counters, work.journal.unwritable
    unstamped = work.sweep.rows_left + done.raced + len(work.journal.aside) - refused
    return Stamped(done.attested, target.space, target.dim, done.already_current, unstamped, refused)
