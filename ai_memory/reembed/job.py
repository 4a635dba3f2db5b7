"""One `reembed`, from the lock to the report: joins the start, the probe, the sweep and what is left behind.

Order of a start, each step before the next can do harm: database (65), lock (11, 1), run and
fingerprint (12, 78), backup, vectors that the database refuses (65), breaker (75), probe (75, 77, 3, 78). Nothing is
written to `memories` before the probe has passed.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError
from ai_memory.frozen import Frozen
from ai_memory.reembed.back_up import back_up
from ai_memory.reembed.events import RunEnded
from ai_memory.reembed.heartbeat import Heartbeat, require_no_pause
from ai_memory.reembed.holding import holding
from ai_memory.reembed.inspect.report import Expense, RunReport, report
from ai_memory.reembed.plan.decide import Action
from ai_memory.reembed.plan.plan import Plan, plan
from ai_memory.reembed.plan.undo_room import require_room
from ai_memory.reembed.replicas import require_seen
from ai_memory.reembed.sweep.attempts import Attempts
from ai_memory.reembed.sweep.beside import plan_beside
from ai_memory.reembed.sweep.leaving import Leaving, nothing_stale
from ai_memory.reembed.sweep.prepare import prepare
from ai_memory.reembed.sweep.staging import drop_staged
from ai_memory.reembed.sweep.start import take_run

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.taking import Disclose
    from ai_memory.reembed.tools import Tools
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.port import Database, Reader, Store


class Job(Frozen):
    """One invocation on one database, which heeds the stop; the embedder of `tools` retries by itself."""

    database: Database
    options: Options
    tools: Tools
    disclose: Disclose

    def run(self) -> RunReport:
        """Do the job as far as it goes and report.

        Raises:
            AiMemoryError: the start was refused before the run was taken; any later failure is in the report.
        """
        with holding(self.database, now_ms=self._now()) as holder:
            if self.options.backup is not None:
                with self.database.read() as reader:
                    # A copy for a start that is refused would be in the way of the next one's.
                    self.database.require_free(self.options.backup)
                    require_no_pause(reader, now_ms=self._now())
                    self._plan(reader)
                back_up(self.database, self.options.backup, self.tools.stop, self.tools.observe)
            with self.database.write(now_ms=self._now()) as store:
                return self._run(store, holder)

    def _run(self, store: Store, holder: Holder) -> RunReport:
        began = self.tools.clock.monotonic()
        require_no_pause(store, now_ms=self._now())
        require_seen(store, self.tools.max_lag)
        with ExitStack() as reading:
            beside = plan_beside(reading, self.database, store, self.options, self.tools, now_ms=self._now())
            return self._carry_out(beside or self._plan(store), store, holder, began)

    def _carry_out(self, planned: Plan, store: Store, holder: Holder, began: float) -> RunReport:
        if planned.action is Action.NOTHING:
            ending = nothing_stale(store, planned, self.options, now_ms=self._now())
            return report(planned, None, None, ending, self._expense(began))
        needs_room = partial(require_room, self.database, store, self.options, planned.run, dim=planned.target.dim)
        if planned.action is not Action.FINISH and not planned.beside:
            needs_room(planned.census)
        taken = take_run(store, planned, self.options, self.tools, self.disclose, holder)
        with closing(self.tools.workers()) as pool:
            heartbeat = Heartbeat(store, taken.run, self.tools, failure=lambda: pool.failure)
            room = partial(needs_room, so="what was written stays")
            passes, census = prepare(
                store, taken, self.options, self.tools, pool, heartbeat, planned=planned, require_room=room
            )
            leaving = Leaving(store, taken.run, self.tools, passes)
            try:
                ending = Attempts(store, planned, taken, self.options, self.tools, passes, census, heartbeat).run()
            except AiMemoryError as error:
                ending = leaving.failed(error)
            finally:
                self.tools.tell_requests()
                self.tools.observe(RunEnded())
            taken = census.at_end()
        ending = leaving.as_asked(leaving.leave(ending, heartbeat), self.options, planned)
        if ending.complete and not taken.run.staged:
            # Of runs that were given up, as far as this one has not taken it.
            drop_staged(store)
        return report(planned, taken, passes.done, ending, self._expense(began))

    def _plan(self, store: Reader) -> Plan:
        with self.tools.ledger.counting(self.tools.embedder):
            looked_at = self.tools.tell_looked_at
            return plan(store, self.tools.embedder, self.options, now_ms=self._now(), looked_at=looked_at)

    def _expense(self, began: float) -> Expense:
        duration_ms = round((self.tools.clock.monotonic() - began) * 1000)
        ledger, failure = self.tools.ledger, self.tools.embedder.meter.failure
        return Expense(ledger.spent, self.options.price, duration_ms, failure, ledger.computing)

    def _now(self) -> int:
        return self.tools.clock.now_ms()
