"""Keeps account of what runs that are not done have left in flight: sent, perhaps paid for, and not committed.

Whoever is killed, or has its run taken away, cannot tell what became of it; the limit that stands in the row can. A run
that is begun takes it over from those that ended, for the texts are sent again on its behalf.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.stores.own_row import MOST
from ai_memory.text import nesting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.values import Run

Names = tuple[str, ...] | None
"""Namespaces; None: all of them."""

LEFT = f"""
    SELECT run_id, in_flight_limit, CAST(scope_json AS BLOB) FROM reembed_run
    WHERE target = ? AND state IS NOT 'done' AND typeof(in_flight_limit) = 'integer'
        AND in_flight_limit BETWEEN 1 AND {MOST}
"""
SET_LIMIT = "UPDATE reembed_run SET in_flight_limit = ? WHERE run_id = ?"


def left_in_flight(store: Store, target: int, scope: Names) -> int:
    """Return how many texts of rows in `scope` runs to the target have sent and not committed, at most."""
    return _limit(_left(store, target, scope))


def take_on(transaction: Transaction, run: Run) -> Run:
    """Make what ended runs left in flight that of a run just begun, and return it as it stands then."""
    left = list(_left(transaction, run.target, run.scope))
    for run_id, _, names in left:
        # Of namespaces that are not this run's another one has to tell yet.
        if run.scope is None or (names is not None and set(names) <= set(run.scope)):
            transaction.db.execute(SET_LIMIT, (0, run_id))
    limit = _limit(left)
    transaction.db.execute(SET_LIMIT, (limit, run.run_id))
    return replace(run, in_flight_limit=limit)


def _limit(left: Iterable[tuple[int, int, Names]]) -> int:
    return min(sum(texts for _, texts, _ in left), MOST)


def _left(store: Store, target: int, scope: Names) -> Iterator[tuple[int, int, Names]]:
    for run_id, texts, told in store.db.execute(LEFT, (target,)):
        names = _names(told)
        if scope is None or names is None or set(names) & set(scope):
            yield run_id, texts, names


def _names(told: object) -> Names:
    """Return the namespaces of a run; all of them where its row does not tell: it may have been any."""
    try:
        with nesting.bounded():
            found = json.loads(told) if isinstance(told, bytes) else None
    except ValueError:
        return None
    return tuple(str(each) for each in found) if isinstance(found, list) else None
