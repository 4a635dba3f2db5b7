"""`reembed rollback`: puts back what the latest run replaced, as a run of its own.

It is the sweep with another source: what was kept. So it holds the lock, moves a cursor with every commit, proves by
its fence that it is still its own, heeds a stop and a pause, and whoever takes it over after a kill goes on with it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory import __version__
from ai_memory.errors import AiMemoryError
from ai_memory.reembed.events import RunBegan, RunEnded
from ai_memory.reembed.finish.kept_walk import NOWHERE, KeptWalk
from ai_memory.reembed.finish.rollback_report import RollbackReport, Told, report
from ai_memory.reembed.finish.undoable import Undoable, find_undoable
from ai_memory.reembed.heartbeat import PausedOnly, require_no_pause
from ai_memory.reembed.holding import holding
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.trial import require_updates
from ai_memory.reembed.sources import NoWorkers
from ai_memory.reembed.sweep.committer import Committer
from ai_memory.reembed.sweep.ending import Ending, budget_spent, stopped, stopped_by
from ai_memory.reembed.sweep.joined import joined
from ai_memory.reembed.sweep.journal import RunJournal
from ai_memory.reembed.sweep.schedule import Schedule
from ai_memory.stores.values import Counted, Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.reembed.sweep.sweep import Sweep
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.port import Database, Store
    from ai_memory.stores.values import Run, Span

PAGE_ROWS = 1_000
"""Rows put back in one transaction: about 50 ms, which is how long a writer waits at most (2026-11-26, two cores)."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """One invocation on one database; `disclose` is told what is going to be undone, and refuses by raising.

    With a `run_id` that run and all after it are undone.
    """

    database: Database
    tools: SweepTools
    disclose: Callable[[Undoable], None]
    batch: int = PAGE_ROWS
    max_rows: int | None = None
    run_id: int | None = None

    def run(self) -> RollbackReport:
        """Undo the latest run as far as it goes, and report.

        Raises:
            OperatorNeeded, UsageError: there is nothing that could be undone, or the file is paused.
            DataRefused: the file takes no vector.
            AiMemoryError: the start was refused before the run was taken; any later failure is in the report.
        """
        began = self.tools.clock.monotonic()
        with holding(self.database, now_ms=self._now()) as holder, self.database.write(now_ms=self._now()) as store:
            require_no_pause(store, now_ms=self._now())
            found = find_undoable(store, self.run_id)
            if found.done:
                return report(found, None, Told())
            require_updates(store)
            if not found.resumed:
                self.disclose(found)
            run = self._taken(store, found, holder)
            ending, done = self._swept(store, run, found)
            left = store.targets.previous.left_of(found.undoes) if ending.exit_code == 0 else None
            seconds = self.tools.clock.monotonic() - began
            return report(found, ending, Told(done, left_with_target=left, duration_ms=round(seconds * 1000)))

    def _taken(self, store: Store, found: Undoable, holder: Holder) -> Run:
        """Begin the rollback, or take over the unfinished one, in one transaction, and return it."""
        now_ms = self._now()
        with store.transaction() as transaction:
            run = found.rollback
            if run is None:
                given_up = transaction.runs.cancel(now_ms=now_ms)
                if given_up is not None:
                    transaction.runs.note_cancelled(given_up, now_ms=now_ms)
                for each in found.undoes.numbers:
                    transaction.operator.withdraw(each)
                run = transaction.runs.begin(
                    target=found.target,
                    target_model=found.last.target_model,
                    terms=Terms(undoes=found.undoes),
                    now_ms=now_ms,
                    tool_version=__version__,
                )
            run = transaction.runs.take_over(run, holder, in_flight_limit=0, lost=0, breaker_until=None, now_ms=now_ms)
            if found.rollback is None:
                transaction.progress.note_census(run, Counted(found.kept.rows, found.kept.rows, 0, now_ms))
        return run

    def _swept(self, store: Store, run: Run, found: Undoable) -> tuple[Ending, Committer]:
        tools, journal = self.tools, RunJournal(run)
        committer = Committer(store, journal, found.target, tools)
        options, signs = Options(batch=self.batch), PausedOnly(store, tools)
        sweep = joined(committer, options, tools, NoWorkers(), signs, Schedule())
        tools.observe(RunBegan("what was there before", found.to_do(run)))
        try:
            ending = self._over(store, run, found.undoes, sweep)
        except AiMemoryError as error:
            ending = stopped(run, tools.stop) if stopped_by(error, tools.stop) else _failed(run, error)
        finally:
            tools.observe(RunEnded())
        if ending.exit_code:
            self._leave(store, ending)
        with suppress(AiMemoryError):
            run = store.runs.read(run.run_id)
        return Ending(run, ending.exit_code, ending.reason, error=ending.error), committer

    def _over(self, store: Store, run: Run, undoes: Span, sweep: Sweep) -> Ending:
        cursor = store.runs.checkpoints(run).get(NOWHERE)
        stopped_by_now = self.tools.stop.requested
        walk = KeptWalk(store, undoes, cursor, batch=self.batch, max_rows=self.max_rows, stopped=stopped_by_now)
        sweep.over(walk, walk.budget)
        if walk.stopped:
            return stopped(run, self.tools.stop)
        return budget_spent(run, walk.budget.spent) if walk.budget.spent else self._finish(store, run, undoes)

    def _finish(self, store: Store, run: Run, undoes: Span) -> Ending:
        """End the rollback: nothing is left that could be put back."""
        now_ms = self._now()
        with store.transaction() as transaction:
            transaction.runs.transition(run, "done", now_ms=now_ms, fenced=True)
            transaction.undo.undone(undoes, run)
            done = transaction.reader.runs.read(run.run_id).counters
            transaction.progress.note_census(run, Counted(done.put_back + done.left_alone, 0, 0, now_ms))
            transaction.progress.note_end(run, exit_code=0, reason="complete", now_ms=now_ms)
        return Ending(run, 0, "complete")

    def _leave(self, store: Store, ending: Ending) -> None:
        """Give the run back, and note how it ended; where that fails, it reads as killed."""
        run, now_ms = ending.run, self._now()
        last_error = ending.error.what if ending.error else None
        with suppress(AiMemoryError), store.transaction() as transaction:
            if run and transaction.runs.leave(run, last_error=last_error, limits={}, unsettled=0):
                transaction.progress.note_end(run, exit_code=ending.exit_code, reason=ending.reason, now_ms=now_ms)

    def _now(self) -> int:
        return self.tools.clock.now_ms()


def _failed(run: Run, error: AiMemoryError) -> Ending:
    return Ending(run, error.exit_code, error.reason, error=error)
