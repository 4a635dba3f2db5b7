"""`reembed switch`: what a staged run has put beside the memories is served from one commit to another.

A census proves before that every row has its vector; nobody waits for it. What changed since the run was ready is done
by an ordinary pass. What is edited between that and the switch is found by its words, until it is embedded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ai_memory.frozen import Frozen
from ai_memory.reembed.finish.moving import PAGE_ROWS, Moving
from ai_memory.reembed.finish.promote import promote
from ai_memory.reembed.finish.switch_report import Switched, report
from ai_memory.reembed.finish.switchable import find_switchable, require_whole
from ai_memory.reembed.heartbeat import require_no_pause
from ai_memory.reembed.holding import holding
from ai_memory.reembed.plan.census import Census, take_census
from ai_memory.reembed.replicas import require_seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.reembed.inspect.report import RunReport
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.port import Database, Store
    from ai_memory.stores.values import Run


class LastPass(Protocol):
    """A job that embeds what changed since a run was ready."""

    def run(self) -> RunReport:
        """Embed it and report."""


class Switch(Frozen):
    """One invocation on one database.

    `last_pass` makes the job that embeds what changed since the run was ready; it is asked for only where something
    did. Rows in quarantine are only left behind where that is accepted. Without `wait` nothing is moved into the
    memories yet.
    """

    database: Database
    tools: SweepTools
    last_pass: Callable[[], LastPass]
    accept_quarantined: bool = False
    wait: bool = True
    batch: int = PAGE_ROWS
    max_rows: int | None = None

    def run(self) -> Switched | RunReport:
        """Switch, and move the vectors into the memories; go on with that where it is switched already.

        Returns the report of the last pass where that did not get the run ready.

        Raises:
            OperatorNeeded: there is no staged run, it is not ready, or rows of it are in quarantine.
            AiMemoryError: what else stands in the way; nothing is switched then.
        """
        done = self._attempt(proven=False)
        while not isinstance(done, Switched):
            passed = done.run()
            if passed.state != "ready":
                return passed
            done = self._attempt(proven=True)
        return done

    def _attempt(self, *, proven: bool) -> Switched | LastPass:
        """Switch; return the job of a last pass instead where rows changed. `proven`: a census was taken just now."""
        now_ms, began = self.tools.clock.now_ms(), self.tools.clock.monotonic()
        with holding(self.database, now_ms=now_ms) as holder, self.database.write(now_ms=now_ms) as store:
            require_no_pause(store, now_ms=now_ms)
            require_seen(store, self.tools.max_lag)
            run, switched = find_switchable(store), False
            if run.state == "ready":
                if not proven and self._census(store, run).stale:
                    return self.last_pass()
                require_whole(store, run, accept=self.accept_quarantined)
                run, switched = self._flip(store, run, holder), True
            took = self.tools.clock.monotonic() - began
            if not self.wait:
                if switched:
                    Moving(store, run, store.targets.read(run.target), self.tools, self.batch).later("switched")
                return report(store, run, None, switched=switched, seconds=took)
            ending = promote(store, run, self.tools, holder, batch=self.batch, max_rows=self.max_rows)
            took = self.tools.clock.monotonic() - began
            return report(store, run, ending, switched=switched, seconds=took)

    def _census(self, store: Store, run: Run) -> Census:
        census = take_census(store, store.targets.read(run.target), run.scope, now_ms=self.tools.clock.now_ms())
        with store.transaction() as transaction:
            transaction.progress.note_census(run, census.counted())
        return census

    def _flip(self, store: Store, run: Run, holder: Holder) -> Run:
        """Serve what is staged: the run's state and what is served change in one commit, whatever the size."""
        now_ms = self.tools.clock.now_ms()
        with store.transaction() as transaction:
            run = transaction.runs.take_over(run, holder, in_flight_limit=0, lost=0, breaker_until=None, now_ms=now_ms)
            # Cursors from here on are of the moving.
            run = transaction.runs.next_pass(run, now_ms=now_ms)
            transaction.runs.transition(run, "switched", now_ms=now_ms, fenced=True)
            transaction.staging.serve(run)
        return store.runs.read(run.run_id)
