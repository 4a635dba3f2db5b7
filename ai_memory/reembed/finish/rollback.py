"""`reembed rollback`: puts back what the latest run replaced, as a run of its own.

It is the sweep with another source: what was kept. So it holds the lock, moves a cursor with every commit, proves by
its fence that it is still its own, heeds a stop and a pause, and whoever takes it over after a kill goes on with it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ai_memory import __version__
from ai_memory.errors import OperatorNeeded
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.finish.kept_walk import NOWHERE, KeptWalk
from ai_memory.reembed.finish.moving import PAGE_ROWS, Moving
from ai_memory.reembed.finish.rollback_report import RollbackReport, Told, report
from ai_memory.reembed.finish.undoable import Undoable, find_undoable
from ai_memory.reembed.heartbeat import require_no_pause
from ai_memory.reembed.holding import holding
from ai_memory.reembed.page import Page
from ai_memory.reembed.plan.trial import require_updates
from ai_memory.reembed.sweep.ending import Ending
from ai_memory.reembed.sweep.journal import RunJournal
from ai_memory.reembed.sweep.staging import drop_staged
from ai_memory.stores.values import Counted, Terms
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ai_memory.reembed.sweep.committer import Committer
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.port import Database, Store
    from ai_memory.stores.values import Run, Span


class Rollback(Frozen):
    """One invocation on one database; `disclose` is told what is going to be undone, and refuses by raising.

    With a `run_id` that run and all after it are undone.
    Without `wait` nothing is put back yet: what was there before a staged run is served all the same.
    """

    database: Database
    tools: SweepTools
    disclose: Callable[[Undoable], None]
    batch: int = PAGE_ROWS
    max_rows: int | None = None
    run_id: int | None = None
    wait: bool = True

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
            ending, done = self._swept(store, run, found) if self.wait else self._begun(store, run, found)
            left = store.targets.previous.left_of(found.undoes) if self.wait and ending.exit_code == 0 else None
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
            if staged := next((each for each in (found.first, found.last) if each.staged), None):
                # From here on, wherever it stands: in its memory or with what is kept.
                transaction.staging.serve_before(staged)
            if found.rollback is None:
                transaction.progress.note_census(run, Counted(found.kept.rows, found.kept.rows, 0, now_ms))
        return run

    def _swept(self, store: Store, run: Run, found: Undoable) -> tuple[Ending, Committer]:
        previous, undoes = store.targets.previous, found.undoes
        walk = KeptWalk(
            lambda after, limit: previous.ids_after(undoes, after, limit=limit),
            lambda ids, steps: Page(to_put_back=tuple(ids), steps=steps),
            store.runs.checkpoints(run).get(NOWHERE),
            batch=self.batch,
            max_rows=self.max_rows,
            stopped=self.tools.stop.requested,
            monotonic=self.tools.clock.monotonic,
        )
        moving = Moving(store, run, found.target, self.tools, self.batch)
        return moving.over(
            walk, "what was there before", found.to_do(run), finish=lambda: self._finish(store, run, undoes)
        )

    def _begun(self, store: Store, run: Run, found: Undoable) -> tuple[Ending, Committer]:
        """Leave the rollback as it was begun."""
        return Moving(store, run, found.target, self.tools, self.batch).later("begun")

    def _finish(self, store: Store, run: Run, undoes: Span) -> Ending:
        """End the rollback: nothing is left that could be put back, or only what the database refuses.

        Then the runs are not undone: another rollback puts back the rest.
        """
        refused, now_ms = self._refused(store, run, undoes), self._now()
        error = _kept_as_they_are(refused) if refused else None
        code, reason = (error.exit_code, error.reason) if error else (0, "complete")
        with store.transaction() as transaction:
            transaction.runs.transition(run, "done", now_ms=now_ms, fenced=True)
            if not refused:
                transaction.undo.undone(undoes, run)
            transaction.staging.serve_own()
            done = transaction.reader.runs.read(run.run_id).counters
            rows = done.put_back + done.left_alone + len(refused)
            transaction.progress.note_census(run, Counted(rows, len(refused), 0, now_ms))
            transaction.progress.note_end(run, exit_code=code, reason=reason, now_ms=now_ms)
        drop_staged(store)
        return Ending(run, code, reason, error=error)

    def _refused(self, store: Store, run: Run, undoes: Span) -> dict[str, str]:
        """Return the words of the database on what is still to be put back, by memory."""
        journal, refused, after = RunJournal(run), dict[str, str](), None
        while ids := store.targets.previous.ids_after(undoes, after, limit=self.batch):
            refused |= store.structure.rehearse(
                {each: partial(journal.put_back, ids=[each], unwritable={}) for each in ids}
            )
            after = ids[-1]
        return refused

    def _now(self) -> int:
        return self.tools.clock.now_ms()


def _kept_as_they_are(refused: Mapping[str, str]) -> OperatorNeeded:
    """Return the error of rows that their own database does not let have what they had, with its words, by id."""
    row_id, words = next(iter(refused.items()))
    keeps = counted(len(refused), "row keeps its vector, as its", "rows keep their vectors, as their")
    return OperatorNeeded(
        f"{keeps} own database refuses another; the first is {printable(row_id)}: {words.rstrip('.')}.",
        tip="When that is mended, put back the rest: ai-memory reembed rollback",
    )
