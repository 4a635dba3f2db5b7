"""Works on a run that was taken, again and again for as long as --wait allows while its endpoint is away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.errors import BreakerOpen, RateLimited, TransientFailure
from ai_memory.frozen import Frozen
from ai_memory.reembed.breaker import asked_again, opened
from ai_memory.reembed.events import BreakerOpened, RunBegan, Waiting
from ai_memory.reembed.plan.decide import Action
from ai_memory.reembed.plan.refusing_rows import find_refusing, set_aside
from ai_memory.reembed.sweep.start_probe import StartProbe

if TYPE_CHECKING:
    from ai_memory.reembed.heartbeat import Heartbeat
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.plan import Plan
    from ai_memory.reembed.plan.taking import TakenRun
    from ai_memory.reembed.sweep.census_beside import CensusBeside
    from ai_memory.reembed.sweep.ending import Ending
    from ai_memory.reembed.sweep.passes import Passes
    from ai_memory.reembed.tools import Tools
    from ai_memory.stores.port import Store


class Attempts(Frozen):
    """One invocation's work on the run that it has taken, as it was planned."""

    store: Store
    planned: Plan
    taken: TakenRun
    options: Options
    tools: Tools
    passes: Passes
    census: CensusBeside
    heartbeat: Heartbeat

    def run(self) -> Ending:
        """Do the work; where the endpoint fails, wait for its breaker and probe again.

        Raises:
            AiMemoryError: what ended it; what was committed stays.
        """
        gives_up_at = self.tools.clock.monotonic() + self.options.wait_seconds
        while True:
            try:
                return self._work()
            except (TransientFailure, BreakerOpen) as error:
                if self.tools.stop.requested():
                    raise
                wait = error.seconds if isinstance(error, BreakerOpen) else self._open_breaker(error)
                if self.tools.clock.monotonic() + wait > gives_up_at:
                    raise
                self.tools.observe(Waiting(error.what, wait, error.reason))
                if self.heartbeat.sleep(wait):
                    raise

    def _work(self) -> Ending:
        if self.planned.action is Action.FINISH and (ending := self.passes.conclude()):
            return ending
        target = StartProbe(self.store, self.tools.embedder, self.options, self.tools.clock, self.heartbeat).run(
            self.taken
        )
        self.passes.aim_at(target)
        if not self.planned.target.dim:
            self._set_aside(target.dim)
        self.tools.observe(RunBegan(self.planned.target.model, self.census.rows))
        return self.passes.run()

    def _set_aside(self, dim: int) -> None:
        """Put aside the rows that refuse vectors; without the width, told just now, none could be tried."""
        found, retry, now_ms = replace(self.planned.target, dim=dim), self.options.retry_quarantined, self._now()
        refusing = find_refusing(self.store, found, self.planned.census, retry=retry, now_ms=now_ms)
        set_aside(self.store, self.store.runs.read(self.taken.run.run_id), refusing, now_ms=self._now())

    def _open_breaker(self, error: TransientFailure) -> float:
        """Open the run's breaker; return for how many seconds, which the error says from now on."""
        run = self.taken.run
        with self.store.transaction() as transaction:
            transaction.runs.hold(run, now_ms=self._now())
            asked = error.retry_after if isinstance(error, RateLimited) else 0.0
            breaker = opened(transaction.reader.runs.read(run.run_id), now_ms=self._now(), asked_seconds=asked)
            transaction.progress.set_breaker(run, breaker, now_ms=self._now(), reason=error.what)
        self.tools.observe(BreakerOpened(error.what, breaker.until_ms, error.reason))
        wait_ms = breaker.until_ms - self._now()
        error.when = asked_again(wait_ms)
        return wait_ms / 1000

    def _now(self) -> int:
        return self.tools.clock.now_ms()
