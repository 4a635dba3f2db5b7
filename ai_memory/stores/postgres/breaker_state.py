"""Keeps the state of a run's breaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.postgres.runs import add_event
from ai_memory.text.cleaning import MOST_WORDS, one_line

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Transaction
    from ai_memory.stores.values import Breaker, Run

SET_BREAKER = """
    UPDATE reembed_run SET breaker_state = %(state)s, breaker_until = %(until)s, breaker_wait_ms = %(wait)s,
        last_error = %(error)s
    WHERE run_id = %(run_id)s
"""


def set_breaker(
    transaction: Transaction, run: Run, breaker: Breaker, *, now_ms: int, reason: str | None = None
) -> None:
    """Open (for a `reason`) or close the breaker of the run, with an event when its state changes."""
    state = "open" if breaker.open else "closed"
    told = reason and one_line(reason, most=MOST_WORDS)
    bindings = {"state": state, "until": breaker.until_ms, "wait": breaker.wait_ms, "error": told, "run_id": run.run_id}
    transaction.db.execute(SET_BREAKER, bindings)
    if breaker.open or run.breaker_state != state:
        add_event(transaction, run.run_id, f"breaker {state}", now_ms=now_ms, detail={"until": breaker.until_ms})
