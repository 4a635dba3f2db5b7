"""Makes vectors stale again that were written and are in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.errors import StatementRefused

if TYPE_CHECKING:
    from ai_memory.reembed.sweep.journal import Journal
    from ai_memory.stores.port import Store
    from ai_memory.stores.values import Counters
    from ai_memory.vectors.target import Fingerprint


def take_back(
    store: Store,
    journal: Journal,
    target: Fingerprint,
    ids: Sequence[str],
    *,
    counters: Counters,
    in_flight_limit: int | None,
    now_ms: int,
) -> Counters:
    """Take back the vectors of `ids` and count that beside `counters`, in one transaction; return the sum.

    `in_flight_limit` is the most texts to be in flight until the next commit (None: as before).

    Raises:
        OperatorNeeded, NotFinished: the run is no longer ours.
    """

    def forgotten(*, plainly: bool) -> Counters:
        with store.transaction() as transaction:
            journal.hold(transaction, in_flight_limit=in_flight_limit, now_ms=now_ms)
            counted = replace(counters, reembedded=-journal.forget(transaction, target, ids, plainly=plainly))
            journal.count(transaction, counted)
        return counted

    try:
        return forgotten(plainly=False)
    except StatementRefused:
        # A schema that wants a stamp on every vector: without provenance they are stale all the same.
        return forgotten(plainly=True)
