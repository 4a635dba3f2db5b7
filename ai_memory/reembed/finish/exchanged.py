"""Goes back to vectors of another width, which stand in columns of their own: one commit, whatever their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory import __version__
from ai_memory.reembed.recorded import recorded_run
from ai_memory.reembed.sweep.staging import drop_staged
from ai_memory.stores.values import Span, Terms

if TYPE_CHECKING:
    from ai_memory.stores.port import Store
    from ai_memory.stores.values import Run


def exchange_back(store: Store, run: Run, *, now_ms: int) -> None:
    """Have the columns that a run replaced be the memories' own again: a rollback of it, and of all since."""
    last = recorded_run(store) or run
    since = Span(run.run_id, last.run_id)
    with store.transaction() as transaction:
        given_up = transaction.runs.cancel(now_ms=now_ms)
        if given_up is not None:
            transaction.runs.note_cancelled(given_up, now_ms=now_ms)
        for each in since.numbers:
            transaction.operator.withdraw(each)
        by = transaction.runs.begin(
            target=store.targets.read(run.target),
            target_model=run.target_model,
            terms=Terms(undoes=since),
            now_ms=now_ms,
            tool_version=__version__,
        )
        transaction.runs.transition(by, "done", now_ms=now_ms, fenced=False)
        transaction.undo.undone(since, by)
        transaction.staging.serve_own()
        transaction.staging.exchange_back(run)
    drop_staged(store)
