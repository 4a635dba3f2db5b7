"""Rows whose vectors the database refuses: found before their texts are sent, and put into quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.reembed.plan.targets import enter_target, known_fingerprint
from ai_memory.reembed.plan.trial import try_updates
from ai_memory.stores.values import Counters, Run

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Unfit
    from ai_memory.reembed.plan.census import Census
    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Target


def find_refusing(store: Store, target: Target, census: Census, *, retry: bool, now_ms: int) -> list[Unfit]:
    """Return the stale rows found to refuse a vector before one was found that takes it; none without a width.

    With `retry` those in quarantine are tried, too.

    Raises:
        DataRefused: all of them refuse, and no row has a vector of the target's yet.
    """
    if not target.dim:
        return []
    known, enter = known_fingerprint(store, target), partial(enter_target, target=target, now_ms=now_ms)
    return try_updates(store, known, census, retry=retry, enter=enter)


def set_aside(store: Store, run: Run, refusing: Sequence[Unfit], *, now_ms: int) -> None:
    """Put rows into quarantine whose text need not be sent; the walk then passes them.

    Raises:
        OperatorNeeded, NotFinished: the run is no longer ours.
    """
    if not refusing:
        return
    with store.transaction() as transaction:
        transaction.runs.hold(run, now_ms=now_ms)
        for each in refusing:
            transaction.quarantine.put(run.target, each.id, each.src, each.reason, now_ms=now_ms)
        transaction.progress.count(run, Counters(quarantined=len(refusing)))
