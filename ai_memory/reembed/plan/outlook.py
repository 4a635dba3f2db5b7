"""What the next unattended start would meet where no run is unfinished: may it begin one, is there anything to do?"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.frozen import Frozen
from ai_memory.reembed.plan.census import take_census

if TYPE_CHECKING:
    from ai_memory.reembed.plan.wanted import Wanted
    from ai_memory.reembed.scope import Scope
    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Fingerprint


class Outlook(Frozen):
    """When the configured target was approved (None: it is not), and whether no row was found stale for it.

    Times are Unix milliseconds. `stale`: after a run that is done rows are known to be stale.
    """

    approved_at: int | None = None
    complete: bool = False
    stale: bool = False


NO_OUTLOOK = Outlook()


def outlook(store: Reader, run_id: int | None, wanted: Wanted, *, now_ms: int) -> Outlook:
    """Return the outlook after the run begun last (None: none was); without one the rows may have to be counted."""
    if not wanted.usable:
        return NO_OUTLOOK
    approved = store.operator.approved_at(wanted.space, wanted.dim)
    if run_id is None:
        return Outlook(approved, all_fresh(store, wanted, None, now_ms=now_ms))
    return Outlook(approved, bool(wanted.space) and _known_complete(store, run_id, wanted))


def _known_complete(store: Reader, run_id: int, wanted: Wanted) -> bool:
    if (found := store.runs.nothing_stale(run_id)) and not wanted.differs_from(*found):
        return True
    if (target := store.runs.untouched_target()) is None:
        return False
    try:
        known = store.targets.read(target)
    except DataRefused:
        return False
    return not wanted.differs_from(known.space, known.dim)


def all_fresh(store: Reader, wanted: Wanted, scope: Scope, *, now_ms: int) -> bool:
    """Return whether no row in `scope` is stale for some target of the configured space that the file has seen."""
    seen: list[Fingerprint | None] = []
    for target in store.targets.of_space(wanted.space, wanted.dim):
        with suppress(DataRefused):
            seen.append(store.targets.read(target))
    return any(not take_census(store, each, scope, now_ms=now_ms).stale for each in seen or [None])
