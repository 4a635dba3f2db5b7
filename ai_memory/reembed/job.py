"""One `reembed`, from the lock to the report: joins the start, the probe, the sweep and what is left behind.

Order of a start, each step before the next can do harm: database (65), lock (11, 1), run and
fingerprint (12, 78), backup, vectors that the database refuses (65), breaker (75), probe (75, 77, 3, 78). Nothing is
written to `memories` before the probe has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.errors import (
    AiMemoryError,
    UsageError,
)
from ai_memory.reembed.back_up import back_up
from ai_memory.reembed.events import RunEnded, RunTakenOver
from ai_memory.reembed.heartbeat import Heartbeat, require_no_pause
from ai_memory.reembed.holding import holding
from ai_memory.reembed.inspect.report import Expense, RunReport, report
from ai_memory.reembed.plan.decide import Action
from ai_memory.reembed.plan.plan import Disclose, Plan, TakenRun, approve_by_hand, plan, preflight, take
from ai_memory.reembed.plan.targets import known_fingerprint
from ai_memory.reembed.sweep.attempts import Attempts
from ai_memory.reembed.sweep.budget import least_tokens
from ai_memory.reembed.sweep.ending import Ending
from ai_memory.reembed.sweep.leaving import Leaving
from ai_memory.reembed.sweep.passes import prepare
from ai_memory.reembed.sweep.refusing_rows import find_refusing, set_aside
from ai_memory.reembed.sweep.trial import require_updates

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.memory.freshness import Unfit
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.tools import Tools
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.port import Database, Reader, Store
    from ai_memory.stores.values import Space


@dataclass(frozen=True, slots=True)
class Job:
    """One invocation on one database, which heeds the stop; `embedder` retries by itself."""

    database: Database
    embedder: ResilientEmbedder
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
        planned = self._plan(store)
        if planned.action is Action.NOTHING:
            ending = self._nothing(store, planned)
            return report(planned, None, None, ending, self._expense(began))
        taken = self._take(store, planned, holder)
        with closing(self.tools.workers()) as pool:
            heartbeat = Heartbeat(store, taken.run, self.tools, failure=lambda: pool.failure)
            scope, before = planned.scope, planned.census
            passes = prepare(store, taken, self.options, self.tools, pool, heartbeat, scope=scope, before=before)
            leaving = Leaving(store, taken.run, self.tools, passes)
            try:
                ending = Attempts(store, planned, taken, self.options, self.tools, passes, heartbeat).run()
            except AiMemoryError as error:
                ending = leaving.failed(error)
            finally:
                self.tools.observe(RunEnded())
        ending = leaving.as_asked(leaving.leave(ending, heartbeat), self.options, planned)
        return report(planned, taken, passes.done, ending, self._expense(began))

    def _take(self, store: Store, planned: Plan, holder: Holder) -> TakenRun:
        """Take the run, once nothing stands in the way of writing vectors, and tell what is going to be replaced."""
        refusing: list[Unfit] = []
        stored: Sequence[Space] = ()
        if planned.action is not Action.FINISH:
            self._require_budget(planned)
            require_updates(store)
            retry, now_ms = self.options.retry_quarantined, self._now()
            refusing = find_refusing(store, planned.target, planned.census, retry=retry, now_ms=now_ms)
            told = preflight(store, planned)
            stored = told.stored
            self.disclose(told)
        # The first page is by itself; each of its rows is asked again once at most.
        in_flight = 2 * self.options.batch
        taken = take(store, planned, self.options, holder, in_flight=in_flight, stored=stored)
        set_aside(store, taken.run, refusing, now_ms=self._now())
        if taken.texts_sent_twice:
            self.tools.observe(RunTakenOver(taken.texts_sent_twice))
        self.embedder.restore(taken.run.limits)
        self.tools.ledger.require(taken.run.limits)
        return taken

    def _plan(self, store: Reader) -> Plan:
        with self.tools.ledger.counting(self.embedder):
            return plan(store, self.embedder, self.options, now_ms=self._now())

    def _nothing(self, store: Store, planned: Plan) -> Ending:
        """Note that nothing is stale."""
        target = planned.target
        with store.transaction() as transaction:
            approve_by_hand(transaction, target, self.options, now_ms=self._now())
            if planned.scope is None:
                known = known_fingerprint(transaction.reader, target)
                known_id = known.id if known else None
                transaction.progress.note_nothing_stale(known_id, target.space, target.dim, now_ms=self._now())
        return Ending(None, planned.census.exit_code, "nothing stale", planned.census)

    def _require_budget(self, planned: Plan) -> None:
        spending = self.tools.spending
        if spending and spending.limit and planned.census.to_embed and not spending.allows(least_tokens(spending)):
            raise UsageError(
                f"--{spending.limit.flag} allows {spending.limit.most:,} tokens, too few for one row: besides "
                f"its text, what shows that the endpoint can be believed may take {least_tokens(spending):,}.",
                tip=f"Raise --{spending.limit.flag}.",
            )

    def _expense(self, began: float) -> Expense:
        duration_ms = round((self.tools.clock.monotonic() - began) * 1000)
        return Expense(self.tools.ledger.spent, self.options.price, duration_ms, self.embedder.meter.failure)

    def _now(self) -> int:
        return self.tools.clock.now_ms()
