"""Sweeps pass after pass, until a census finds nothing stale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ai_memory.reembed.events import PassBegan
from ai_memory.reembed.options import MAX_ROWS
from ai_memory.reembed.plan.census import Census, Listener, take_census
from ai_memory.reembed.scope import Scope, namespaces_in_scope
from ai_memory.reembed.sources import FromText
from ai_memory.reembed.sweep.budget import Budget
from ai_memory.reembed.sweep.ending import (
    EDITED_SINCE,
    Done,
    Ending,
    budget_spent,
    churn,
    rows_left,
    stopped,
    too_small,
)
from ai_memory.reembed.sweep.scan import Scan, ScanOrder
from ai_memory.reembed.sweep.since import StaleRows

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.sweep.committer import Committer
    from ai_memory.reembed.sweep.journal import RunJournal
    from ai_memory.reembed.sweep.needed import Next
    from ai_memory.reembed.sweep.sweep import Sweep
    from ai_memory.reembed.tools import Tools
    from ai_memory.stores.port import Store
    from ai_memory.stores.values import Counters
    from ai_memory.vectors.target import Fingerprint

MIN_PASSES = 5
"""Passes before a corpus that is edited as fast as it is swept is called churn.

A choice of 2026-11-23, not measured."""


HOT_ROWS = 20_000
"""Rows that are listed to come first: of 100,000 read by Zipf's law they have 88 % of the reads, of a million 74 %.

To freeze the list keeps writers waiting for 35 ms, no longer than a page does (two cores, 2026-11-26)."""


@dataclass(slots=True)
class _Gone:
    """How many passes began, and how many rows the first one met in quarantine (None: it is not over)."""

    passes: int = 0
    met: int | None = None


class Passes:
    """One invocation's work on one run."""

    def __init__(  # noqa: PLR0913 - all that passes are made of
        self,
        store: Store,
        sweep: Sweep,
        committer: Committer,
        journal: RunJournal,
        options: Options,
        tools: Tools,
        *,
        scope: Scope,
        before: Callable[[], Census],
        following: Next,
    ) -> None:
        """Sweep `scope`, in which the census `before` is taken; `following` is the start after this one."""
        self._store, self._sweep, self._committer, self._journal = store, sweep, committer, journal
        self._options, self._tools, self._scope = options, tools, scope
        self._before, self._gone, self._next = before, _Gone(), following
        self._stale = StaleRows()
        self._budget = Budget(tools.spending, max_rows=options.max_rows)

    def run(self) -> Ending:
        """Sweep until every row is fresh or in quarantine, or the stop or a budget ends it.

        Where others write all the time, a staged run is ready once no row is stale that was so before the last pass:
        the rest is done by the pass before the switch.

        Raises:
            AiMemoryError: see `Sweep.over`; what was committed stays.
        """
        stale_before: list[int] = []
        fresh: int | None = None
        namespaces: Sequence[str] = namespaces_in_scope(self._store, self._scope)
        self._committer.begin()
        while True:
            written = self._written
            walk = self._walk(namespaces)
            self._gone.passes += 1
            self._tools.observe(PassBegan(self._gone.passes))
            if not self._sweep.over(walk, self._budget):
                continue
            if walk.stopped or self._budget.spent:
                return self._unfinished(walk)
            fresh = self._before().fresh if fresh is None else fresh
            census, run = self._census(), self._journal.run
            if not census.stale:
                return self._finish(census)
            if len(self._sweep.left) >= census.stale:
                return rows_left(run, self._sweep.left, census)
            if self._nothing_stuck(census, fresh, self._written - written):
                return churn(run, self._gone.passes, census, "Look for what writes other vectors over them, then")
            fresh = census.fresh
            stale_before.append(census.stale)
            if len(stale_before) >= MIN_PASSES and census.stale >= stale_before[-2]:
                if run.staged and self._stale.others_write(census):
                    return self._finish(census)
                return churn(run, self._gone.passes, census, "Run it again when the writers are quieter")
            self._next_pass(census)
            namespaces = list(census.stale_by_namespace)

    @property
    def done(self) -> Done:
        """What was done, as far as it is committed."""
        committer = self._committer
        # What a later pass meets there the first one met, or this invocation put there.
        met = self._sweep.rows_in_quarantine if self._gone.met is None else self._gone.met
        aside = met + committer.counters.quarantined
        return Done(committer.counters, aside, self._gone.passes, committer.target, committer.taken_from_others)

    @property
    def idle(self) -> bool:
        """Whether no row was done yet."""
        done = self._committer.counters
        return not (done.reembedded or done.attested or done.quarantined)

    @property
    def tokens_needed(self) -> int:
        """How many tokens the next start must be allowed for a row; 0 where they are not limited."""
        return self._next.needs(self._journal.run.run_id, self._committer.target, self._budget, idle=self.idle)

    def too_small(self, flag: str) -> Ending:
        """Return the end at which the limit `flag` has let no row through."""
        spent, run = self._tools.ledger.spent.tokens, self._journal.run
        return too_small(run, flag, spent, self.tokens_needed, most=self._budget.most)

    @property
    def unsettled(self) -> int:
        """How many texts that killed runners had sent are not committed yet, at most."""
        return self._committer.unsettled

    @property
    def unnoted(self) -> Counters:
        """What the requests cost of which no commit of the run tells yet."""
        return self._committer.unnoted

    def aim_at(self, target: Fingerprint) -> None:
        """Take the target as the probe found it."""
        self._committer.target = target

    def conclude(self) -> Ending | None:
        """End the run if a census finds nothing stale; None, with nothing changed, where it does."""
        census = self._census()
        return None if census.stale else self._finish(census)

    def _walk(self, namespaces: Sequence[str]) -> Scan:
        run = self._journal.run
        hot = self._hot_rows() if run.hot_first else ()
        order = ScanOrder(
            target=self._committer.target,
            namespaces=namespaces,
            checkpoints=self._store.runs.checkpoints(run),
            batch=self._options.batch,
            source=FromText(skip_current=run.skip_current),
            ids=hot,
            within=frozenset(namespaces),
        )
        return Scan(self._store, order, self._budget, stopped=self._tools.stop.requested)

    def _hot_rows(self) -> Sequence[str]:
        """Return what is left of the present pass's list of hot rows, which is frozen where there is none yet."""
        if (listed := self._store.consistently(lambda found: found.listed(self._journal.run))) is not None:
            return listed
        target, now_ms = self._committer.target.id, self._tools.clock.now_ms()
        hot = self._store.consistently(
            lambda found: found.hottest(target=target, only=self._scope, limit=HOT_ROWS, now_ms=now_ms)
        )
        with self._store.transaction() as transaction:
            self._journal.hold(transaction, now_ms=now_ms)
            transaction.progress.freeze(self._journal.run, hot, now_ms=now_ms)
        return hot

    def _census(self) -> Census:
        now_ms, listener = self._tools.clock.now_ms(), Listener(block=self._tools.tell_looked_at)
        if self._journal.run.staged:
            # Of any other run the rows need not be kept in mind: it ends when none is stale.
            self._stale.count_at(now_ms)
            listener = replace(listener, stale=self._stale.hear, began=self._stale.begin)
        return take_census(self._store, self._committer.target, self._scope, now_ms=now_ms, listener=listener)

    def _next_pass(self, census: Census) -> None:
        """Begin the next pass; the census was taken after the last one."""
        if self._gone.met is None:
            self._gone.met = self._sweep.rows_in_quarantine
        with self._store.transaction() as transaction:
            transaction.progress.note_census(self._journal.run, census.counted())
            self._journal.run = transaction.runs.next_pass(self._journal.run, now_ms=self._tools.clock.now_ms())

    def _finish(self, census: Census) -> Ending:
        """End the run, or have it be ready if it is staged: by a census that found nothing else stale."""
        code, staged = census.aside, self._journal.run.staged
        reason = EDITED_SINCE if census.stale else "quarantine" if code else "complete"
        with self._store.transaction() as transaction:
            now_ms, proof = self._tools.clock.now_ms(), self._stale.proof(census)
            state = "ready" if staged else "done"
            transaction.runs.transition(self._journal.run, state, now_ms=now_ms, fenced=True, census_at=proof)
            transaction.progress.count(self._journal.run, self.unnoted)
            transaction.progress.note_census(self._journal.run, census.counted())
            if self._journal.run.hot_first:
                transaction.progress.freeze(self._journal.run, (), now_ms=now_ms)
            transaction.progress.note_end(self._journal.run, exit_code=code, reason=reason, now_ms=now_ms)
            if not staged:
                transaction.operator.completed(self._journal.run, self._committer.target, now_ms=now_ms)
        self._journal.run = self._store.runs.read(self._journal.run.run_id)
        return Ending(self._journal.run, code, reason, census)

    @property
    def _written(self) -> int:
        return self._committer.counters.reembedded + self._committer.counters.attested

    def _nothing_stuck(self, census: Census, fresh: int, written: int) -> bool:
        """Return whether all vectors of a pass were written over at once: another pass would pay for them once more.

        Before the pass `fresh` rows were fresh.
        """
        return 0 < written <= census.overwritten and census.fresh <= fresh

    def _unfinished(self, walk: Scan) -> Ending:
        run = self._journal.run
        if walk.stopped:
            return stopped(run, self._tools.stop)
        if self._budget.spent != MAX_ROWS and self.idle:
            return self.too_small(self._budget.spent)
        return budget_spent(run, self._budget.spent)
