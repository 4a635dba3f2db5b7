"""The sweep: walks, embeds and commits pages, pass after pass, until a census finds nothing stale."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from ai_memory.embed.embedder import Meter
from ai_memory.embed.spending import Spending
from ai_memory.errors import NotFinished, TargetChanged
from ai_memory.reembed.budget import MAX_ROWS, Budget
from ai_memory.reembed.census import Census, Scope, namespaces_in_scope, take_census
from ai_memory.reembed.commit import Traffic, rehearse_documents, write_page
from ai_memory.reembed.commit_once import Refused, commit_once
from ai_memory.reembed.ending import Ending, churn, rows_left, too_small
from ai_memory.reembed.guard import Guard
from ai_memory.reembed.heartbeat import Heartbeat
from ai_memory.reembed.in_flight import InFlight
from ai_memory.reembed.isolate import Left
from ai_memory.reembed.notices import QuarantineNotices
from ai_memory.reembed.pages import Walk, WalkOrder
from ai_memory.reembed.rate import Rate
from ai_memory.reembed.refusals import RefusalGuard
from ai_memory.reembed.request import Request
from ai_memory.reembed.start import Taken
from ai_memory.reembed.tools import Tools
from ai_memory.reembed.window import Answered, AskWitness, Work, in_order
from ai_memory.store import approvals, quarantine, runs
from ai_memory.store.opening import Store, Transaction
from ai_memory.store.provenance import Fingerprint
from ai_memory.store.run_figures import note_census, note_end
from ai_memory.store.values import Checkpoint, Counters, Run

MIN_PASSES = 5
"""Passes before a corpus that is edited as fast as it is swept is called churn."""

MOST_IN_FLIGHT = 512
"""Threads that wait for answers at most; how many there are is the embedder's `concurrency`."""


class Sweep:
    """One invocation's work on one run."""

    def __init__(
        self, store: Store, taken: Taken, request: Request, tools: Tools, *, scope: Scope, before: Census
    ) -> None:
        """Prepare the sweep of `scope`, in which the census `before` was taken, for the run just taken."""
        self._counters = Counters()
        self.passes = 0
        self.rows_in_quarantine = 0
        self.unsettled = taken.unsettled
        self._store, self._run, self.target = store, taken.run, taken.fingerprint
        self._request, self._tools, self._scope = request, tools, scope
        self._fresh = before.fresh
        self._noted = Meter()
        self._learned = taken.run.limits
        refused = quarantine.refused_since(store, taken.fingerprint.id, taken.run.started_at)
        self._refusals = RefusalGuard(refused=refused, total=before.live)
        self.heartbeat = Heartbeat(store, taken.run, tools)
        self._guard = Guard(store, taken, request, tools, rows=before.stale, patiently=self.heartbeat)
        self._halted = False
        self._rate = Rate(tools.clock.monotonic())
        self._left: dict[str, str] = {}
        self._in_flight = InFlight(tools.embedder)
        self._budget = Budget(tools.spending or Spending(tools.embedder.meter), max_rows=request.max_rows)
        self._notices = QuarantineNotices(tools.progress)

    def run(self) -> Ending:
        """Sweep until every row is fresh or in quarantine, or the stop or a budget ends it.

        Raises:
            OperatorNeeded, NotFinished: the run is no longer ours.
            EmbedError: the endpoint failed beyond retry; what was committed stays.
            EndpointUnusable: the endpoint refuses rows en masse.
            StorageFailed: the disk refused; the file is consistent.
        """
        stale_before: list[int] = []
        namespaces = namespaces_in_scope(self._store, self._scope)
        self._rate = Rate(self._tools.clock.monotonic())
        with self._tools.pool(MOST_IN_FLIGHT) as executor:
            while True:
                written = self._written
                walk = self._pass(namespaces, executor)
                if walk is None:
                    continue
                if walk.stopped or self._budget.spent:
                    return self._unfinished(walk)
                census = self._census()
                if not census.stale:
                    return self._finish(census)
                if len(self._left) >= census.stale:
                    return rows_left(self._run, self._left, census)
                if self._nothing_stuck(census, self._written - written):
                    return churn(self._run, self.passes, census, "Look for what writes other vectors over them, then")
                self._fresh = census.fresh
                stale_before.append(census.stale)
                if len(stale_before) >= MIN_PASSES and census.stale >= stale_before[-2]:
                    return churn(self._run, self.passes, census, "Run it again when the writers are quieter")
                self._run = self._begin_pass(census)
                namespaces = list(census.stale_by_namespace)

    @property
    def counters(self) -> Counters:
        """What this invocation did, as far as it is committed."""
        return self._counters + self._guard.counters

    @property
    def idle(self) -> bool:
        """Whether no row was done yet."""
        done = self.counters
        return not (done.reembedded or done.attested or done.quarantined)

    def tell_quarantine(self) -> None:
        """Say what went into quarantine, if anything did."""
        self._notices.tell()

    def aim_at(self, target: Fingerprint) -> None:
        """Take the target as the probe found it."""
        self.target = self._guard.target = target

    def conclude(self) -> Ending | None:
        """End the run if a census finds nothing stale; None, with nothing changed, where it does."""
        census = self._census()
        return None if census.stale else self._finish(census)

    def unnoted(self) -> Counters:
        """Return what the requests cost of which no commit of the run tells yet."""
        traffic = self._traffic(replace(self._tools.embedder.meter), in_flight_limit=0)
        return Counters(
            texts_sent=traffic.texts_sent, requests=traffic.requests, retries=traffic.retries, tokens=traffic.tokens
        )

    def _pass(self, namespaces: Sequence[str], executor: Executor) -> Walk | None:
        """Walk once from the checkpoints; None where the endpoint lied, and is asked in another way from now on."""
        self.passes += 1
        self._left.clear()
        self._halted = False
        walk = Walk(self._store, self._order(namespaces), self._budget, stopped=self._tools.stop.requested)
        works, stopped = self._guard.works(walk.pages(), self._budget), self._tools.stop.requested
        failure: BaseException | None = None
        lie: Answered | None = None
        ask, patiently = self._guard.ask, self.heartbeat.await_answer
        asked = in_order(works, ask, executor, room=self._room, stopped=stopped, await_answer=patiently)
        for work, unchecked in asked:
            answered = self._guard.checked(work, unchecked)
            if answered.differing or lie:
                lie = lie or answered
                walk.drop(work.page)
            elif isinstance(work, AskWitness):
                # Behind a page that failed, the witness only tells more if it differs.
                if not failure or isinstance(answered.error, TargetChanged):
                    self._guard.require_witness(answered.error)
            elif answered.error:
                failure = failure or answered.error
            else:
                # Behind a page that failed the cursor must stay; the vectors paid for are kept all the same.
                self._commit(answered, {} if failure else answered.page.steps)
                self._guard.wrote(work, answered)
                walk.settle(answered.page)
                self._after_commit(answered)
            self._halted = bool(failure or lie)
        if not failure and not lie and not stopped():
            lie = self._guard.end_of_pass()
        if lie:
            self._guard.take_back(lie, in_flight_limit=self._in_flight.pages * self._texts_a_page + self.unsettled)
        if failure:
            raise failure
        if lie:
            self._guard.mend(lie)
        return None if lie else walk

    def _room(self, flying: Collection[Work]) -> bool:
        if self._halted or (flying and not self._guard.proven):
            return False
        pages = [work.page for work in flying]
        return not flying or (not self._budget.tight and self._in_flight.room(pages, dim=self.target.dim))

    def _order(self, namespaces: Sequence[str]) -> WalkOrder:
        return WalkOrder(
            target=self.target,
            namespaces=namespaces,
            checkpoints=runs.checkpoints(self._store, self._run),
            batch=self._request.batch,
            skip_current=self._run.skip_current,
        )

    def _commit(self, answered: Answered, steps: Mapping[str, Checkpoint]) -> None:
        self._refusals.require_few(answered)
        in_flight = self._in_flight.next(waited=answered.waited)
        # Those that killed runners had sent come first in the walk.
        unsettled = max(self.unsettled - len(answered.page.documents), 0)
        noted, learned = replace(self._tools.embedder.meter), self._tools.embedder.learned()
        traffic = self._traffic(noted, in_flight_limit=in_flight * self._texts_a_page + unsettled)
        if learned != self._learned:
            traffic = replace(traffic, limits=learned)
        page = answered.page
        rate = self._rate.after(page.stale, self._tools.clock.monotonic())
        traffic = replace(traffic, rows_per_hour=rate.per_hour or None)

        def write(transaction: Transaction, refused: Refused) -> Counters:
            now_ms, told = self._tools.clock.now_ms(), replace(answered, refused=refused)
            return write_page(transaction, self._run, self.target, told, steps=steps, traffic=traffic, now_ms=now_ms)

        counters = commit_once(
            self._store,
            self._run,
            write,
            lambda: rehearse_documents(self._store, page.to_write, lambda _: self.target),
        )
        self._counters += counters
        # Only now: no more may be sent than the committed row says, or a kill would make it a lie.
        self._in_flight.pages, self.unsettled = in_flight, unsettled
        self._noted, self._learned, self._rate = noted, learned, rate
        self._left |= {
            each.document.id: each.outcome.message for each in answered.embedded if isinstance(each.outcome, Left)
        }

    def _after_commit(self, answered: Answered) -> None:
        page = answered.page
        self.rows_in_quarantine += page.in_quarantine
        self._tools.progress.advance(page.stale)
        self._notices.hear(answered)
        self.heartbeat.committed()
        if self._request.sleep_seconds and page.documents:
            self.heartbeat.sleep(self._request.sleep_seconds)

    def _traffic(self, meter: Meter, *, in_flight_limit: int) -> Traffic:
        return Traffic(
            in_flight_limit=in_flight_limit,
            texts_sent=meter.texts_sent - self._noted.texts_sent,
            requests=meter.requests - self._noted.requests,
            retries=meter.retries - self._noted.retries,
            tokens=meter.tokens - self._noted.tokens,
        )

    @property
    def _texts_a_page(self) -> int:
        return self._request.batch + self._guard.most_again

    def _census(self) -> Census:
        return take_census(self._store, self.target, self._scope, now_ms=self._tools.clock.now_ms())

    @property
    def _written(self) -> int:
        return self.counters.reembedded + self.counters.attested

    def _nothing_stuck(self, census: Census, written: int) -> bool:
        """Say whether all vectors of a pass were written over at once: another pass would pay for them once more."""
        return 0 < written <= census.overwritten and census.fresh <= self._fresh

    def _begin_pass(self, census: Census) -> Run:
        with self._store.transaction() as transaction:
            note_census(transaction, self._run, census.counted())
            return runs.next_pass(transaction, self._run, now_ms=self._tools.clock.now_ms())

    def _finish(self, census: Census) -> Ending:
        reason = "quarantine" if census.exit_code else "complete"
        with self._store.transaction() as transaction:
            now_ms, proof = self._tools.clock.now_ms(), census.began_at
            runs.transition(transaction, self._run, "done", now_ms=now_ms, fenced=True, census_at=proof)
            runs.count(transaction, self._run, self.unnoted())
            note_census(transaction, self._run, census.counted())
            note_end(transaction, self._run, exit_code=census.exit_code, reason=reason, now_ms=now_ms)
            approvals.completed(transaction, self._run, self.target, now_ms=now_ms)
        self._run = runs.read_run(self._store, self._run.run_id)
        return Ending(self._run, census.exit_code, reason, census)

    def _unfinished(self, walk: Walk) -> Ending:
        stop = self._tools.stop
        if walk.stopped:
            return Ending(self._run, stop.exit_code, stop.reason, error=stop.error)
        if self._budget.spent != MAX_ROWS and self.idle:
            return too_small(self._run, self._budget.spent, self._tools.embedder.meter.tokens)
        return Ending(self._run, NotFinished.exit_code, self._budget.spent)
