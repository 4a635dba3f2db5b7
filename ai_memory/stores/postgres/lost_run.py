"""Says of a run that is no longer its runner's what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError, NotFinished, OperatorNeeded

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store
    from ai_memory.stores.values import Run

STATE = "SELECT state FROM reembed_run WHERE run_id = %(run_id)s"
BY_AN_OPERATOR = {"cancelled": "cancelled", "paused": "paused", "superseded": "superseded by another run"}
"""What an operator did to a run, by the state that it has then."""


def run_lost(store: Store, run: Run) -> AiMemoryError:
    """Return the error that a run is no longer ours: by an operator's decision, or because another process has it."""
    state: str | None = store.db.value(STATE, {"run_id": run.run_id})
    done = BY_AN_OPERATOR.get(state or "")
    what = f"Run {run.run_id} was {done or 'taken over by another process'} meanwhile; nothing more is written."
    kind = OperatorNeeded if done else NotFinished
    tip = "Begin another: ai-memory reembed" if state == "cancelled" else "Look at it: ai-memory reembed status"
    return kind(what, tip=tip)
