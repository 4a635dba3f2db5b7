"""A sweep that asks nobody: it moves vectors that stand in the file already, for a run that is held."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError
from ai_memory.frozen import Frozen
from ai_memory.reembed.events import RunBegan, RunEnded
from ai_memory.reembed.heartbeat import PausedOnly
from ai_memory.reembed.options import Options
from ai_memory.reembed.sources import NoWorkers
from ai_memory.reembed.sweep.committer import Committer
from ai_memory.reembed.sweep.ending import Ending, budget_spent, stopped, stopped_by
from ai_memory.reembed.sweep.joined import joined
from ai_memory.reembed.sweep.journal import RunJournal
from ai_memory.reembed.sweep.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.reembed.finish.kept_walk import KeptWalk
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.port import Store
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

PAGE_ROWS = 1_000
"""Rows moved in one transaction: about 50 ms, which is how long a writer waits at most (2026-11-26, two cores)."""


class Moving(Frozen):
    """The work of one invocation on a run, in pages of `batch` rows."""

    store: Store
    run: Run
    target: Fingerprint
    tools: SweepTools
    batch: int = PAGE_ROWS

    def over(self, walk: KeptWalk, label: str, rows: int, *, finish: Callable[[], Ending]) -> tuple[Ending, Committer]:
        """Sweep over a walk of so many `rows`, `label` in words, and `finish` at its end; return how it ended.

        A run that is not over is given back. What is committed stays, whatever ends it.
        """
        store, run, tools = self.store, self.run, self.tools
        committer = Committer(store, RunJournal(run), self.target, tools)
        options, signs = Options(batch=self.batch), PausedOnly(store, tools)
        sweep = joined(committer, options, tools, NoWorkers(), signs, Schedule())
        tools.observe(RunBegan(label, rows))
        try:
            sweep.over(walk, walk.budget)
            ending = self._stopped(walk) or finish()
        except AiMemoryError as error:
            ending = stopped(run, tools.stop) if stopped_by(error, tools.stop) else _failed(run, error)
        finally:
            tools.observe(RunEnded())
        if ending.census is None and ending.exit_code:
            self._leave(ending)
        with suppress(AiMemoryError):
            run = store.runs.read(run.run_id)
        return Ending(run, ending.exit_code, ending.reason, ending.census, error=ending.error), committer

    def later(self, reason: str) -> tuple[Ending, Committer]:
        """Give the run back with nothing done: whoever resumes it does all."""
        ending = Ending(self.run, 0, reason)
        self._leave(ending)
        run = self.store.runs.read(self.run.run_id)
        return Ending(run, 0, reason), Committer(self.store, RunJournal(run), self.target, self.tools)

    def _stopped(self, walk: KeptWalk) -> Ending | None:
        if walk.stopped:
            return stopped(self.run, self.tools.stop)
        return budget_spent(self.run, walk.budget.spent) if walk.budget.spent else None

    def _leave(self, ending: Ending) -> None:
        """Give the run back, and note how it ended; where that fails, it reads as killed."""
        now_ms, last_error = self.tools.clock.now_ms(), ending.error.what if ending.error else None
        with suppress(AiMemoryError), self.store.transaction() as transaction:
            if transaction.runs.leave(self.run, last_error=last_error, limits={}, unsettled=0):
                code, reason = ending.exit_code, ending.reason
                transaction.progress.note_end(self.run, exit_code=code, reason=reason, now_ms=now_ms)


def _failed(run: Run, error: AiMemoryError) -> Ending:
    return Ending(run, error.exit_code, error.reason, error=error)
