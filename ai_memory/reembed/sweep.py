"""The sweep: walks, embeds and commits pages, pass after pass, until a census finds nothing stale."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

from ai_memory.clock import Clock
from ai_memory.embed.document import WITNESS_TEXTS
from ai_memory.embed.embedder import Meter
from ai_memory.embed.retry import PatientEmbedder
from ai_memory.embed.spending import Spending
from ai_memory.errors import (
    EndpointUnusable,
    NotFinished,
    StatementRefused,
    TargetChanged,
)
from ai_memory.reembed.budget import Budget
from ai_memory.reembed.census import Census, Scope, namespaces_in_scope, take_census
from ai_memory.reembed.commit import Traffic, rehearse_documents, write_page
from ai_memory.reembed.commit_once import Refused, commit_once
from ai_memory.reembed.ending import Ending, churn, rows_left
from ai_memory.reembed.heartbeat import Heartbeat
from ai_memory.reembed.in_flight import InFlight
from ai_memory.reembed.isolate import Embedded, Left, embed_documents
from ai_memory.reembed.notices import QuarantineNotices
from ai_memory.reembed.pages import Page, Walk, WalkOrder
from ai_memory.reembed.probe import check_witness
from ai_memory.reembed.progress import Progress
from ai_memory.reembed.rate import Rate
from ai_memory.reembed.request import Request
from ai_memory.reembed.start import Taken
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.watch import Watch
from ai_memory.reembed.window import Answered, in_order
from ai_memory.store import approvals, quarantine, runs
from ai_memory.store.opening import Store
from ai_memory.store.provenance import Fingerprint, forget
from ai_memory.store.quarantine import Reason
from ai_memory.store.run_figures import note_census, note_end
from ai_memory.store.values import Checkpoint, Counters, Run

MIN_PASSES = 5
"""Passes before a corpus that is edited as fast as it is swept is called churn."""

WITNESS_EVERY = 200
WITNESS_ROWS = 50_000
"""Pages, or rows to embed, between two comparisons of the witness texts."""

WITNESS = Page()
"""Stands among the pages where the witness texts are asked for: no page behind it is committed before they agree."""

MOST_IN_FLIGHT = 512
"""Threads that wait for answers at most; how many there are is the embedder's `concurrency`."""

REFUSED_ROWS = 50
REFUSED_SHARE = 0.01
"""More newly refused rows than both of these are the endpoint's fault, not the rows'."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a sweep works with; all of it differs between production and test.

    `pool` makes the executor of so many workers in which requests run. `spending` is what the embedder's requests
    are counted by, None where they have no limit. `beat_seconds` is the time between two signs of
    life while an answer is awaited.
    """

    embedder: PatientEmbedder
    clock: Clock
    stop: Stop
    progress: Progress
    pool: Callable[[int], Executor] = ThreadPoolExecutor
    spending: Spending | None = None
    beat_seconds: float = 2.0


class Sweep:
    """One invocation's work on one run."""

    def __init__(
        self, store: Store, taken: Taken, request: Request, tools: Tools, *, scope: Scope, before: Census
    ) -> None:
        """Prepare the sweep of `scope`, in which the census `before` was taken, for the run just taken."""
        self.counters = Counters()
        self.passes = 0
        self.rows_in_quarantine = 0
        self.unsettled = taken.texts_sent_twice
        self._store, self._run, self.target = store, taken.run, taken.fingerprint
        self._request, self._tools, self._scope, self._total = request, tools, scope, before.live
        self._fresh = before.fresh
        self._noted = Meter()
        self._learned = taken.run.limits
        # Of the whole run: a few at each start of cron would in the end be all of them.
        self._refused = quarantine.refused_since(store, taken.fingerprint.id, taken.run.started_at)
        self.heartbeat = Heartbeat(store, taken.run, tools)
        self._watch = Watch()
        self._rate = Rate(tools.clock.monotonic())
        self._left: dict[str, str] = {}
        self._in_flight = InFlight(tools.embedder)
        self._budget = Budget(tools.spending or Spending(tools.embedder.meter), max_rows=request.max_rows)
        self._notices = QuarantineNotices(tools.progress)

    def run(self) -> Ending:
        """Sweep until every row is fresh or in quarantine, or the stop or a budget ends it.

        Raises:
            NotFinished: the run is no longer ours.
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

    def tell_quarantine(self) -> None:
        """Say what went into quarantine, if anything did."""
        self._notices.tell()

    def aim_at(self, target: Fingerprint) -> None:
        """Take the target as the probe found it."""
        self.target = target

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

    def _pass(self, namespaces: Sequence[str], executor: Executor) -> Walk:
        self.passes += 1
        self._left.clear()
        walk = Walk(self._store, self._order(namespaces), self._budget, stopped=self._tools.stop.requested)
        pages, stopped = self._witnessed(walk.pages()), self._tools.stop.requested
        failure: BaseException | None = None
        patiently = self.heartbeat.await_answer
        for answered in in_order(pages, self._ask, executor, room=self._room, stopped=stopped, await_answer=patiently):
            if answered.page is WITNESS:
                # Behind a page that failed, the witness only tells more if it differs.
                if not failure or isinstance(answered.error, TargetChanged):
                    self._require_witness(answered.error)
            elif answered.error:
                failure = failure or answered.error
            else:
                # Behind a page that failed the cursor must stay; the vectors paid for are kept all the same.
                self._commit(answered, {} if failure else answered.page.steps)
                walk.settle(answered.page)
                self._after_commit(answered)
        if failure:
            raise failure
        return walk

    def _witnessed(self, pages: Iterator[Page]) -> Iterator[Page]:
        """Yield the pages, with WITNESS among them so often, and behind the last."""
        sent_pages = sent_rows = 0
        for page in pages:
            yield page
            sent_pages, sent_rows = sent_pages + 1, sent_rows + len(page.documents)
            if sent_pages >= WITNESS_EVERY or sent_rows >= WITNESS_ROWS:
                yield WITNESS
                sent_pages = sent_rows = 0
        if sent_rows and not self._tools.stop.requested():
            yield WITNESS

    def _require_witness(self, error: BaseException | None) -> None:
        """Go on where the witness agreed; where it did not, take back what was written since.

        Raises:
            BaseException: `error`, with the rows that are stale again.
        """
        if isinstance(error, TargetChanged):
            try:
                doubted = self._take_back(unstamp=True)
            except StatementRefused:
                # A schema that wants a stamp on every vector: without provenance they are stale all the same.
                doubted = self._take_back(unstamp=False)
            self.counters += Counters(reembedded=-doubted)
            raise TargetChanged(
                f"{error.what} {doubted:,} rows that were written since they agreed are stale again.", tip=error.tip
            ) from error
        if error:
            raise error
        self._watch.agreed()

    def _take_back(self, *, unstamp: bool) -> int:
        with self._store.db.transaction():
            runs.hold(self._store, self._run, now_ms=self._tools.clock.now_ms())
            doubted = forget(self._store, self._watch.doubtful(), self.target, unstamp=unstamp)
            runs.count(self._store, self._run, Counters(reembedded=-doubted))
        return doubted

    def _room(self, flying: Collection[Page]) -> bool:
        return not flying or (not self._budget.tight and self._in_flight.room(flying, dim=self.target.dim))

    def _ask(self, page: Page) -> list[Embedded]:
        """Return what became of a page's documents; in a thread of the executor's."""
        if page is WITNESS:
            check_witness(self.target, self._tools.embedder.embed_documents(WITNESS_TEXTS))
        return embed_documents(self._tools.embedder, page.documents)

    def _order(self, namespaces: Sequence[str]) -> WalkOrder:
        return WalkOrder(
            target=self.target,
            namespaces=namespaces,
            checkpoints=runs.checkpoints(self._store, self._run),
            batch=self._request.batch,
            skip_current=self._run.skip_current,
        )

    def _commit(self, answered: Answered, steps: Mapping[str, Checkpoint]) -> None:
        self._require_few_refusals(answered)
        in_flight = self._in_flight.next(waited=answered.waited)
        # Those that killed runners had sent come first in the walk.
        unsettled = max(self.unsettled - len(answered.page.documents), 0)
        noted, learned = replace(self._tools.embedder.meter), self._tools.embedder.learned()
        traffic = self._traffic(noted, in_flight_limit=in_flight * self._request.batch + unsettled)
        if learned != self._learned:
            traffic = replace(traffic, limits=learned)
        page = answered.page
        rate = self._rate.after(page.stale, self._tools.clock.monotonic())
        traffic = replace(traffic, rows_per_hour=rate.per_hour or None)

        def write(refused: Refused) -> Counters:
            now_ms, told = self._tools.clock.now_ms(), replace(answered, refused=refused)
            return write_page(self._store, self._run, self.target, told, steps=steps, traffic=traffic, now_ms=now_ms)

        counters = commit_once(
            self._store,
            self._run,
            write,
            lambda: rehearse_documents(self._store, page.to_write, lambda: self.target),
        )
        self.counters += counters
        # Only now: no more may be sent than the committed row says, or a kill would make it a lie.
        self._in_flight.pages, self.unsettled = in_flight, unsettled
        self._noted, self._learned, self._rate = noted, learned, rate
        self._watch.wrote(each.document.id for each in answered.embedded)
        self._left |= {
            each.document.id: each.outcome.message for each in answered.embedded if isinstance(each.outcome, Left)
        }
        self._watch.wrote(each.id for each in page.twins)

    def _after_commit(self, answered: Answered) -> None:
        page = answered.page
        self.rows_in_quarantine += page.in_quarantine
        self._tools.progress.advance(page.stale)
        self._notices.hear(answered)
        self.heartbeat.committed()
        if self._request.sleep_seconds and page.documents:
            self.heartbeat.sleep(self._request.sleep_seconds)

    def _require_few_refusals(self, answered: Answered) -> None:
        newly = sum(isinstance(each.outcome, Reason) for each in answered.embedded)
        self._refused += newly
        if newly and self._refused > max(REFUSED_ROWS, REFUSED_SHARE * self._total):
            raise EndpointUnusable(
                f"The endpoint refused {self._refused:,} rows of {self._total:,} one by one.",
                tip="Look at its answers: ai-memory reembed quarantine. If the endpoint is at fault, fix it, then: "
                "ai-memory reembed --resume --retry-quarantined. If the rows are bad: ai-memory reembed cancel",
            )

    def _traffic(self, meter: Meter, *, in_flight_limit: int) -> Traffic:
        return Traffic(
            in_flight_limit=in_flight_limit,
            texts_sent=meter.texts_sent - self._noted.texts_sent,
            requests=meter.requests - self._noted.requests,
            retries=meter.retries - self._noted.retries,
            tokens=meter.tokens - self._noted.tokens,
        )

    def _census(self) -> Census:
        return take_census(self._store, self.target, self._scope, now_ms=self._tools.clock.now_ms())

    @property
    def _written(self) -> int:
        return self.counters.reembedded + self.counters.attested

    def _nothing_stuck(self, census: Census, written: int) -> bool:
        """Say whether all vectors of a pass were written over at once: another pass would pay for them once more."""
        return 0 < written <= census.overwritten and census.fresh <= self._fresh

    def _begin_pass(self, census: Census) -> Run:
        with self._store.db.transaction():
            note_census(self._store, self._run, census.counted())
            return runs.next_pass(self._store, self._run, now_ms=self._tools.clock.now_ms())

    def _finish(self, census: Census) -> Ending:
        reason = "quarantine" if census.exit_code else "complete"
        with self._store.db.transaction():
            now_ms, proof = self._tools.clock.now_ms(), census.began_at
            runs.transition(self._store, self._run, "done", now_ms=now_ms, fenced=True, census_at=proof)
            runs.count(self._store, self._run, self.unnoted())
            note_census(self._store, self._run, census.counted())
            note_end(self._store, self._run, exit_code=census.exit_code, reason=reason, now_ms=now_ms)
            approvals.completed(self._store, self._run, self.target, now_ms=now_ms)
        self._run = runs.read_run(self._store, self._run.run_id)
        return Ending(self._run, census.exit_code, reason, census)

    def _unfinished(self, walk: Walk) -> Ending:
        stop = self._tools.stop
        if walk.stopped:
            return Ending(self._run, stop.exit_code, stop.reason, error=stop.error)
        return Ending(self._run, NotFinished.exit_code, self._budget.spent)
