"""What an invocation leaves behind: how it ended, in the words of its report and in the row of its run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.errors import (
    AiMemoryError,
    BreakerOpen,
    BudgetSpent,
    EmbedderInitFailed,
    NotFinished,
    OperatorNeeded,
)
from ai_memory.frozen import Frozen
from ai_memory.reembed.heartbeat import PAUSED, Heartbeat
from ai_memory.reembed.plan.approval import approve_by_hand
from ai_memory.reembed.plan.census import take_census
from ai_memory.reembed.plan.decide import asks_of_file
from ai_memory.reembed.plan.targets import known_fingerprint
from ai_memory.reembed.sweep.ending import Ending, rows_outside, stopped, stopped_by

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.plan import Plan
    from ai_memory.reembed.sweep.passes import Passes
    from ai_memory.reembed.tools import Tools
    from ai_memory.stores.port import Store, Transaction
    from ai_memory.stores.values import Run


def nothing_stale(store: Store, planned: Plan, options: Options, *, now_ms: int) -> Ending:
    """Note that there is nothing to do, and return that end."""
    target = planned.target
    with store.transaction() as transaction:
        approve_by_hand(transaction, target, options, now_ms=now_ms)
        if planned.scope is None:
            known = known_fingerprint(transaction.reader, target)
            known_id = known.id if known else None
            transaction.progress.note_nothing_stale(known_id, target.space, target.dim, now_ms=now_ms)
    return Ending(None, planned.census.exit_code, "nothing stale", planned.census)


class Leaving(Frozen):
    """The end of one invocation that has taken a run."""

    store: Store
    run: Run
    tools: Tools
    passes: Passes

    def failed(self, error: AiMemoryError) -> Ending:
        """Return the end by an error."""
        if stopped_by(error, self.tools.stop):
            return stopped(self.run, self.tools.stop)
        if not isinstance(error, BudgetSpent):
            return Ending(self.run, error.exit_code, error.reason, error=error)
        if self.passes.idle:
            return self.passes.too_small(error.flag)
        return Ending(self.run, error.exit_code, error.flag, error=error)

    def leave(self, ending: Ending, heartbeat: Heartbeat) -> Ending:
        """Give the run back, and note how it ended; return the end with the run as it stands then.

        An unfinished end is that by a pause where the file was paused meanwhile: no start goes on then.
        """
        if ending.exit_code == NotFinished.exit_code:
            heartbeat.heed_pause()
            if self.tools.stop.reason == PAUSED:
                ending = stopped(ending.run, self.tools.stop)
        # Where even this cannot be written the run reads as killed, which costs the next start nothing but a note.
        with suppress(AiMemoryError), self.store.transaction() as transaction:
            self._note(transaction, ending)
        return self._with_what_is_needed(self._as_it_stands(ending))

    def as_asked(self, ending: Ending, options: Options, planned: Plan) -> Ending:
        """Return the end of a run of some namespaces as the answer to what was asked, which may have been more."""
        if not ending.complete or planned.scope is None or options.scope is not None:
            return ending
        file = take_census(self.store, self.passes.done.target, None, now_ms=self.tools.clock.now_ms())
        ending = replace(ending, outside=file.stale_outside(planned.scope))
        if not asks_of_file(options, planned.scope):
            return ending
        ending = replace(ending, census=file, exit_code=max(ending.exit_code, file.exit_code))
        if not file.stale:
            return ending
        ending, now_ms = rows_outside(ending, planned.scope, file), self.tools.clock.now_ms()
        with suppress(AiMemoryError), self.store.transaction() as transaction:
            transaction.progress.note_end(self.run, exit_code=ending.exit_code, reason=ending.reason, now_ms=now_ms)
        return ending

    def _note(self, transaction: Transaction, ending: Ending) -> None:
        run, now_ms = self.run, self.tools.clock.now_ms()
        operator = isinstance(ending.error, OperatorNeeded)
        failure = self.tools.embedder.meter.failure or None
        last_error = ending.error.what if ending.error and not operator else failure
        if isinstance(ending.error, BreakerOpen):
            last_error = transaction.reader.runs.read(run.run_id).last_error
        sizes = self.tools.ledger.sizes
        # What was given up may have been answered and paid for all the same.
        unsettled = None if self.tools.stop.gave_up else self.passes.unsettled
        if transaction.runs.leave(run, last_error=last_error, limits=sizes, unsettled=unsettled):
            transaction.progress.note_end(run, exit_code=ending.exit_code, reason=ending.reason, now_ms=now_ms)
            if ending.census:
                transaction.progress.note_census(run, ending.census.counted())
        if not ending.over:
            # Also of a run that was given up, or taken over: it has cost what it has cost.
            transaction.progress.count(run, self.passes.unnoted)
        # A target that was never served is not a run to go on with.
        unserved = isinstance(ending.error, EmbedderInitFailed)
        if unserved and not transaction.reader.runs.read(run.run_id).counters.reembedded:
            transaction.runs.transition(run, "cancelled", now_ms=now_ms, fenced=True)

    def _with_what_is_needed(self, ending: Ending) -> Ending:
        """Return the ending with what the next start needs, where its limit lets no row through as it is."""
        spending = self.tools.spending
        unfinished = ending.run is not None and ending.run.state == "running"
        if not unfinished or ending.tokens_needed or not spending or not spending.limit:
            return ending
        with suppress(AiMemoryError):
            needed = self.passes.tokens_needed
            return replace(ending, tokens_needed=needed if needed > spending.limit.most else 0)
        return ending

    def _as_it_stands(self, ending: Ending) -> Ending:
        """Return the ending with the run's present state: it may have been given up, by us or by an operator."""
        if ending.run is not None:
            with suppress(AiMemoryError):
                return replace(ending, run=self.store.runs.read(ending.run.run_id))
        return ending
