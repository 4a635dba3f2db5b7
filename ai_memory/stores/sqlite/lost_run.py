"""Says of a run that is no longer its runner's what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError, NotFinished, OperatorNeeded
from ai_memory.stores.sqlite.own_row import selected

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.values import Run

STATE = f"SELECT {selected(('state',), ('state',))} FROM reembed_run WHERE run_id = ?"
BY_AN_OPERATOR = {"cancelled": "cancelled", "paused": "paused", "superseded": "superseded by another run"}
"""What an operator did to a run, by the state that it has then."""


def run_lost(store: Store, run: Run) -> AiMemoryError:
    """Return the error that a run is no longer ours: by an operator's decision, or because another process has it."""
    rows = store.db.execute(STATE, (run.run_id,))
    state = store.codec.text(rows[0][0] or b"") if rows else None
    done = BY_AN_OPERATOR.get(state or "")
    what = f"Run {run.run_id} was {done or 'taken over by another process'} meanwhile; nothing more is written."
    kind = OperatorNeeded if done else NotFinished
    tip = "Begin another: ai-memory reembed" if state == "cancelled" else "Look at it: ai-memory reembed status"
    return kind(what, tip=tip)
