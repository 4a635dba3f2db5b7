"""Keeps the last sign of life of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.text.cleaning import MOST_WORDS, one_line

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Transaction
    from ai_memory.stores.values import Run

BEAT = """
    UPDATE reembed_run SET last_progress_at = :now,
        last_error = CASE WHEN breaker_state = 'open' THEN coalesce(:failure, last_error) ELSE :failure END
    WHERE run_id = :run_id AND fence = :fence AND state = 'running'
"""


def beat(transaction: Transaction, run: Run, *, failure: str, now_ms: int) -> bool:
    """Note that the runner lives, and the `failure` that it is retrying (empty: none); False where the run is not ours.

    What the last invocation left of a failure stands until its breaker is closed.
    """
    told = one_line(failure, most=MOST_WORDS) if failure else None
    return bool(transaction.db.change(BEAT, {"now": now_ms, "failure": told, "run_id": run.run_id, "fence": run.fence}))
