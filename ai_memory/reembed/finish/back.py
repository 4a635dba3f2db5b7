"""`reembed switch --back`: what was served before a staged run was switched to is served again.

Where nothing was moved into the memories yet, that is one commit. What was moved replaced vectors that are kept: they
are served from one commit on, wherever they stand, and a rollback puts them back into the memories page by page.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.errors import OperatorNeeded
from ai_memory.frozen import Frozen
from ai_memory.reembed.finish.exchanged import exchange_back
from ai_memory.reembed.finish.moving import PAGE_ROWS
from ai_memory.reembed.finish.rollback import Rollback
from ai_memory.reembed.heartbeat import require_no_pause
from ai_memory.reembed.holding import holding
from ai_memory.reembed.recorded import recorded_run
from ai_memory.reembed.sweep.staging import drop_staged

if TYPE_CHECKING:
    from ai_memory.reembed.finish.rollback_report import RollbackReport
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.port import Database, Reader, Store
    from ai_memory.stores.values import Run

ROLL_BACK = "To undo a run that replaced vectors in place: ai-memory reembed rollback"


class WentBack(Frozen):
    """The result where nothing had been moved: the fields are the keys of its JSON line."""

    run_id: int
    state: str = "cancelled"
    exit_code: int = 0

    def lines(self) -> list[str]:
        """Return the words for people."""
        served = f"What was served before run {self.run_id} is served again."
        if self.state == "done":
            return [served, "Its own vectors are dropped. Memories that came or changed since have none of before."]
        return [served, f"Run {self.run_id} is cancelled; what stood beside the memories is dropped."]

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        return asdict(self)


class Back(Frozen):
    """One invocation on one database; without `wait` nothing is put back into the memories yet."""

    database: Database
    tools: SweepTools
    wait: bool = True
    batch: int = PAGE_ROWS
    max_rows: int | None = None

    def run(self) -> WentBack | RollbackReport:
        """Serve what was served before, and withdraw the approval of the run's target.

        Raises:
            OperatorNeeded: no staged run was switched to, or what it replaced is no longer kept; the file is paused.
            AiMemoryError: what else stands in the way.
        """
        now_ms = self.tools.clock.now_ms()
        with holding(self.database, now_ms=now_ms), self.database.write(now_ms=now_ms) as store:
            require_no_pause(store, now_ms=now_ms)
            beside = store.targets.staged.exchange()
            try:
                run = _to_leave(store)
            except OperatorNeeded:
                if not (beside and beside.done):
                    raise
                run = store.runs.read(beside.run_id)
            if beside and beside.done and (beside.run_id == run.run_id or run.undone_by or run.state == "cancelled"):
                exchange_back(store, store.runs.read(beside.run_id), now_ms=now_ms)
                return WentBack(beside.run_id, state="done")
            moved = not beside and (store.runs.checkpoints(run) or run.kept.rows)
            if run.state == "switched" and not moved:
                return self._at_once(store, run)
            if run.state == "cancelled" and run.undone_by is None and store.runs.unfinished() is None:
                # It was left in the middle of what follows that one commit.
                drop_staged(store)
                return WentBack(run.run_id)
        return Rollback(
            self.database,
            self.tools,
            lambda _: None,
            wait=self.wait,
            batch=self.batch,
            max_rows=self.max_rows,
            run_id=run.run_id,
        ).run()

    def _at_once(self, store: Store, run: Run) -> WentBack:
        now_ms = self.tools.clock.now_ms()
        with store.transaction() as transaction:
            transaction.runs.transition(run, "cancelled", now_ms=now_ms, fenced=True)
            transaction.staging.serve_own()
            transaction.operator.withdraw(run.run_id)
            transaction.staging.exchange_back(run)
        drop_staged(store)
        return WentBack(run.run_id)


def _to_leave(store: Reader) -> Run:
    """Return the staged run that is served, or that was when it was done.

    Raises:
        OperatorNeeded: there is none.
    """
    run = recorded_run(store)
    if run and run.undoes:
        run = store.runs.read(run.undoes.first)
    run = run and _since(store, run)
    if run is None or not run.staged:
        raise OperatorNeeded("The latest run was not switched to: there is nothing to switch back.", tip=ROLL_BACK)
    if run.state in ("running", "paused", "ready"):
        what = f"Run {run.run_id} is {run.state} and not switched to: what was served before is served."
        raise OperatorNeeded(what, tip="Give it up: ai-memory reembed cancel")
    return run


def _since(store: Reader, run: Run) -> Run:
    """Return the staged run of which `run` gave rows that changed since the same target's vectors, else `run`."""
    for run_id in range(run.run_id, 0, -1):
        before = store.runs.read(run_id)
        if before.target != run.target and not before.undoes:
            break
        if before.staged and not before.undoes:
            return before
    return run
