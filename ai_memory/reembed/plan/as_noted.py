"""Takes what an unfinished run noted of its rows for a census: no start that goes on with it counts a million first.

Only where it is sure that there is something to do: a stale row stands after a cursor. How many there are in all is
what the last census counted, moved by every commit since. That is told, and proves nothing; what is done is proven
at the end, by a census as ever.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from ai_memory.memory.freshness import Freshness, classify
from ai_memory.reembed.plan.census import FIRST_STALE, Census
from ai_memory.reembed.scope import in_scope, namespaces_in_scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ai_memory.memory.row import MemoryRow
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

BLOCK = 256
"""Rows read at once."""
BLOCKS = 16
"""How many of them are looked through for a stale row before all rows are counted."""


def as_noted(store: Reader, run: Run, target: Fingerprint) -> Census | None:
    """Return the rows of a run to `target` as the run noted them; None: they have to be counted.

    Of their namespaces it has no numbers, only the names.
    """
    noted = run.counted
    # Of vectors that are at hand the plan tells how many there are.
    if noted is None or noted.remaining < 1 or store.targets.previous.keeps_any_of(target):
        return None
    names = namespaces_in_scope(store, run.scope)
    found = list(islice(_stale(store, run, target, names), FIRST_STALE))
    if not found:
        return None
    sizes = [len(row.embedding) for row in found if row.embedding]
    return Census(
        began_at=noted.at,
        noted=True,
        fresh=max(noted.live - noted.remaining - noted.in_quarantine, 0),
        stale=noted.remaining,
        quarantined=noted.in_quarantine,
        to_embed=noted.remaining,
        to_replace=noted.remaining * len(sizes) // len(found),
        bytes_to_keep=noted.remaining * sum(sizes) // len(found),
        reads=noted.reads,
        answered=noted.reads_answered,
        unaddressable=_unaddressable(store, run),
        first_stale=[row.id for row in found],
        live_by_namespace=Counter(dict.fromkeys(names, 0)),
    )


def _unaddressable(store: Reader, run: Run) -> int:
    found = store.consistently(lambda snapshot: snapshot.unaddressable())
    return sum(count for name, count in found if in_scope(name, run.scope))


def _stale(store: Reader, run: Run, target: Fingerprint, names: Sequence[str]) -> Iterator[MemoryRow]:
    """Yield stale rows after the cursors of the present pass, as far as BLOCKS reach."""
    traits = store.memories.traits
    for ids in islice(_ahead(store, run, names), BLOCKS):
        for row in store.memories.rows_by_id(ids, target=target.id):
            if row.live and classify(row, target, traits) is Freshness.STALE:
                yield row


def _ahead(store: Reader, run: Run, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the ids that the present pass has before it, block by block."""
    checkpoints = store.runs.checkpoints(run)
    for name in names:
        reached = checkpoints.get(name)
        if reached and reached.eof:
            continue
        after = reached.cursor_id if reached else None
        while ids := store.memories.ids_after(name, after, limit=BLOCK):
            yield ids
            after = ids[-1]
