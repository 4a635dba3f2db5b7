"""One `reembed`, from the lock to the report: joins the start, the probe, the sweep and what is left behind.

Order of a start, each step before the next can do harm: database (65), lock (11, 1), run and
fingerprint (12, 78), backup, vectors that the database refuses (65), breaker (75), probe (75, 77, 3, 78). Nothing is
written to `memories` before the probe has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ai_memory.amounts import counted
from ai_memory.embed.document import WITNESS_TEXTS
from ai_memory.embed.embedder import Target, Vectors
from ai_memory.embed.port import ONE_ATTEMPT, PatientEmbedder
from ai_memory.errors import (
    AiMemoryError,
    BreakerOpen,
    BudgetSpent,
    EmbedderInitFailed,
    NotFinished,
    OperatorNeeded,
    RateLimited,
    TransientFailure,
    UsageError,
)
from ai_memory.reembed.back_up import back_up
from ai_memory.reembed.believed import as_recorded
from ai_memory.reembed.breaker import opened, require_due
from ai_memory.reembed.budget import least_tokens
from ai_memory.reembed.census import name_scope, take_census
from ai_memory.reembed.decide import Action, asks_of_file
from ai_memory.reembed.ending import Ending, stopped_by, too_small
from ai_memory.reembed.heartbeat import PAUSED, Heartbeat, require_no_pause
from ai_memory.reembed.holding import holding
from ai_memory.reembed.judge import Unfit
from ai_memory.reembed.probe import probe, require_witness, witness_bytes
from ai_memory.reembed.report import RunReport, report
from ai_memory.reembed.request import Request
from ai_memory.reembed.start import (
    Disclose,
    Plan,
    Taken,
    approve_by_hand,
    enter_target,
    known_fingerprint,
    plan,
    preflight,
    take,
)
from ai_memory.reembed.sweep import Sweep
from ai_memory.reembed.tools import Tools
from ai_memory.reembed.trial import require_updates, try_updates
from ai_memory.store import quarantine, runs
from ai_memory.store.backup import require_free
from ai_memory.store.lock import Holder
from ai_memory.store.open_options import OpenOptions
from ai_memory.store.opening import Store, reading, writing
from ai_memory.store.provenance import Fingerprint, read_fingerprint, set_witness
from ai_memory.store.run_figures import note_census, note_end
from ai_memory.store.settled import note_nothing_stale
from ai_memory.store.values import Breaker, Counters, Run, Space


@dataclass(frozen=True, slots=True)
class Job:
    """One invocation on one database; `embedder` retries by itself."""

    path: Path
    embedder: PatientEmbedder
    request: Request
    tools: Tools
    disclose: Disclose
    options: OpenOptions = OpenOptions()

    def run(self) -> RunReport:
        """Do the job as far as it goes and report.

        Raises:
            AiMemoryError: the start was refused before the run was taken; any later failure is in the report.
        """
        options = replace(self.options, heed=self.tools.stop.heed)
        with holding(self.path, now_ms=self._now(), options=options) as holder:
            if self.request.backup is not None:
                with reading(self.path, options=options) as store:
                    # A copy for a start that is refused would be in the way of the next one's.
                    require_free(self.request.backup)
                    require_no_pause(store, now_ms=self._now())
                    plan(store, self.embedder, self.request, now_ms=self._now())
                    back_up(store.db, self.request.backup, self.tools.stop, self.tools.progress)
            with writing(self.path, now_ms=self._now(), options=options) as store:
                return self._run(store, holder)

    def _run(self, store: Store, holder: Holder) -> RunReport:
        began = self.tools.clock.monotonic()
        require_no_pause(store, now_ms=self._now())
        planned = plan(store, self.embedder, self.request, now_ms=self._now())
        if planned.action is Action.NOTHING:
            with store.db.transaction():
                approve_by_hand(store, planned.target, self.request, now_ms=self._now())
                self._note_nothing_stale(store, planned)
            return self._report(planned, None, None, self._nothing(planned), began)
        refusing: list[Unfit] = []
        stored: Sequence[Space] = ()
        if planned.action is not Action.FINISH:
            self._require_budget(planned)
            require_updates(store)
            refusing = self._try_updates(store, planned, planned.target)
            told = preflight(store, planned)
            stored = told.stored
            self.disclose(told)
        # The first page is by itself; each of its rows is asked again once at most.
        in_flight = 2 * self.request.batch
        taken = take(store, planned, self.request, holder, in_flight=in_flight, stored=stored)
        self._set_aside(store, taken.run, refusing)
        if taken.texts_sent_twice:
            twice = f"at most {counted(taken.texts_sent_twice, 'text is', 'texts are')} sent twice"
            self.tools.progress.say(f"Taken over from a killed runner: {twice}.")
        self.embedder.restore(taken.run.limits)
        sweep = self._sweep(store, planned, taken)
        try:
            ending = self._work_patiently(store, planned, taken, sweep)
        except AiMemoryError as error:
            ending = self._failed(taken.run, error, sweep)
        finally:
            self.tools.progress.end()
            sweep.tell_quarantine()
        ending = self._as_paused(ending, sweep.heartbeat)
        self._leave(store, taken.run, ending, sweep)
        ending = self._answer(store, planned, sweep, _as_it_stands(store, ending))
        return self._report(planned, taken, sweep, ending, began)

    def _require_budget(self, planned: Plan) -> None:
        spending = self.tools.spending
        if spending and spending.limit and planned.census.to_embed and not spending.allows(least_tokens(spending)):
            raise UsageError(
                f"--{spending.limit.flag} allows {spending.limit.most:,} tokens and lets no row through: beside a text "
                f"what shows that the endpoint can be believed may take {least_tokens(spending):,}.",
                tip="Give it more.",
            )

    def _answer(self, store: Store, planned: Plan, sweep: Sweep, ending: Ending) -> Ending:
        """Return the end of a run of some namespaces as the answer to what was asked, which may have been more."""
        if not ending.complete or planned.scope is None or self.request.scope is not None:
            return ending
        file = take_census(store, sweep.target, None, now_ms=self._now())
        outside = file.stale_outside(planned.scope)
        ending = replace(ending, outside=outside)
        if not asks_of_file(self.request, planned.scope):
            return ending
        ending = replace(ending, census=file, exit_code=max(ending.exit_code, file.exit_code))
        if not file.stale:
            return ending
        stale = counted(file.stale, "row of the file is", "rows of the file are")
        error = NotFinished(
            f"The run is done in {name_scope(planned.scope)}; {stale} stale.",
            tip="To begin with them, run the same command again.",
        )
        return replace(ending, reason="rows outside", error=error)

    def _try_updates(self, store: Store, planned: Plan, target: Target) -> list[Unfit]:
        """Return the stale rows found to refuse a vector before one was found that takes it; none without a width."""
        if not target.dim:
            return []
        known, retry = known_fingerprint(store, target), self.request.retry_quarantined
        enter = partial(enter_target, store, target, now_ms=self._now())
        return try_updates(store, known, planned.census, retry=retry, enter=enter)

    def _set_aside(self, store: Store, run: Run, refusing: Sequence[Unfit]) -> None:
        """Put rows into quarantine whose text need not be sent; the walk then passes them."""
        if not refusing:
            return
        with store.db.transaction():
            runs.hold(store, run, now_ms=self._now())
            for each in refusing:
                quarantine.put(store, run.target, each.id, each.src, each.reason, now_ms=self._now())
            runs.count(store, run, Counters(quarantined=len(refusing)))

    def _report(
        self, planned: Plan, taken: Taken | None, sweep: Sweep | None, ending: Ending, began: float
    ) -> RunReport:
        meter, price, duration_ms = self.embedder.meter, self.request.price, self._since(began)
        return report(planned, taken, sweep, ending, meter, price=price, duration_ms=duration_ms)

    def _work_patiently(self, store: Store, planned: Plan, taken: Taken, sweep: Sweep) -> Ending:
        """Do the work; where the endpoint fails, wait for its breaker and probe again, for as long as --wait allows."""
        gives_up_at = self.tools.clock.monotonic() + self.request.wait_seconds
        while True:
            try:
                return self._work(store, planned, taken, sweep)
            except (TransientFailure, BreakerOpen) as error:
                if self.tools.stop.requested():
                    raise
                if isinstance(error, BreakerOpen):
                    wait = error.seconds
                else:
                    wait = (self._open_breaker(store, taken.run, error).until_ms - self._now()) / 1000
                if self.tools.clock.monotonic() + wait > gives_up_at:
                    raise
                self.tools.progress.say(f"{error.what} Waiting {wait:.0f} s for the endpoint.")
                if sweep.heartbeat.sleep(wait):
                    raise

    def _open_breaker(self, store: Store, run: Run, error: TransientFailure) -> Breaker:
        with store.db.transaction():
            runs.hold(store, run, now_ms=self._now())
            asked = error.retry_after if isinstance(error, RateLimited) else 0.0
            breaker = opened(runs.read_run(store, run.run_id), now_ms=self._now(), asked_seconds=asked)
            runs.set_breaker(store, run, breaker, now_ms=self._now(), reason=error.what)
        return breaker

    def _work(self, store: Store, planned: Plan, taken: Taken, sweep: Sweep) -> Ending:
        if planned.action is Action.FINISH and (ending := sweep.conclude()):
            return ending
        target = self._probe(store, taken, sweep.heartbeat)
        sweep.aim_at(target)
        if not planned.target.dim:
            # Only the endpoint could tell the width: before this no vector could be tried.
            found = replace(planned.target, dim=target.dim)
            self._set_aside(store, runs.read_run(store, taken.run.run_id), self._try_updates(store, planned, found))
        total = planned.census.stale + taken.lifted
        self.tools.progress.begin(total=total, label=f"to {planned.target.model}")
        return sweep.run()

    def _sweep(self, store: Store, planned: Plan, taken: Taken) -> Sweep:
        scope, before = planned.scope, planned.census
        return Sweep(store, taken, self.request, self.tools, scope=scope, before=before)

    def _asked(
        self,
        embedder: PatientEmbedder,
        heartbeat: Heartbeat,
        texts: Sequence[str] = WITNESS_TEXTS,
        *,
        one_by_one: bool = False,
    ) -> Vectors:
        """Return the vectors of some witness texts, with signs of life while they are awaited."""
        return heartbeat.asked(partial(probe, embedder, texts, one_by_one=one_by_one))

    def _probe(self, store: Store, taken: Taken, heartbeat: Heartbeat) -> Fingerprint:
        """Ask for the witness texts, compare them, keep them if the target had none, close the breaker.

        Returns the target as it is now known: with its witness, and its width where only the endpoint could tell it.
        """
        run = runs.read_run(store, taken.run.run_id)
        canary = require_due(run, now_ms=self._now())
        embedder = self.embedder.with_patience(ONE_ATTEMPT) if canary else self.embedder
        known = read_fingerprint(store, run.target)
        # What all later answers are compared with is what each text gets by itself.
        texts = WITNESS_TEXTS[:1] if canary else WITNESS_TEXTS
        vectors = self._asked(embedder, heartbeat, texts, one_by_one=known.witness is None)
        if canary and known.witness is None:
            # One text cannot show that different ones get different vectors, and there is nothing to compare it with.
            canary, vectors = False, self._asked(self.embedder, heartbeat, one_by_one=True)
        if known.dim:
            compare = partial(heartbeat.asked, partial(require_witness, known, self.embedder, vectors))
            anew = partial(self._asked, self.embedder, heartbeat, one_by_one=True)
            vectors, _ = as_recorded(store, known, vectors, compare=compare, anew=anew)
        with store.db.transaction():
            runs.hold(store, taken.run, now_ms=self._now())
            if not known.dim:
                found = replace(self.embedder.target, dim=vectors.shape[1])
                known = enter_target(store, found, now_ms=self._now())
                runs.set_target(store, run, known.id)
                approve_by_hand(store, found, self.request, now_ms=self._now())
            if not canary:
                set_witness(store, known.id, witness_bytes(vectors))
            runs.set_breaker(store, run, Breaker(), now_ms=self._now())
            # Read anew: the sweep compares with the witness that was kept just now.
            return read_fingerprint(store, known.id)

    def _failed(self, run: Run, error: AiMemoryError, sweep: Sweep) -> Ending:
        if stopped_by(error, self.tools.stop):
            return self._stopped(run)
        if not isinstance(error, BudgetSpent):
            return Ending(run, error.exit_code, error.reason, error=error)
        if sweep.idle:
            return too_small(run, error.flag, self.embedder.meter.tokens)
        return Ending(run, error.exit_code, error.flag, error=error)

    def _as_paused(self, ending: Ending, heartbeat: Heartbeat) -> Ending:
        """Return an unfinished end as that by a pause, where the file was paused meanwhile: no start goes on then."""
        if ending.exit_code == NotFinished.exit_code:
            heartbeat.heed_pause()
            if self.tools.stop.reason == PAUSED:
                return self._stopped(ending.run)
        return ending

    def _stopped(self, run: Run | None) -> Ending:
        stop = self.tools.stop
        return Ending(run, stop.exit_code, stop.reason, error=stop.error)

    def _leave(self, store: Store, run: Run, ending: Ending, sweep: Sweep) -> None:
        # Where even this cannot be written the run reads as killed, which costs the next start nothing but a note.
        with suppress(AiMemoryError), store.db.transaction():
            operator = isinstance(ending.error, OperatorNeeded)
            last_error = ending.error.what if ending.error and not operator else self.embedder.meter.failure or None
            if isinstance(ending.error, BreakerOpen):
                last_error = runs.read_run(store, run.run_id).last_error
            learned = self.embedder.learned()
            if runs.leave(store, run, last_error=last_error, limits=learned, unsettled=sweep.unsettled):
                runs.count(store, run, sweep.unnoted())
                note_end(store, run, exit_code=ending.exit_code, reason=ending.reason, now_ms=self._now())
                if ending.census:
                    note_census(store, run, ending.census.counted())
            # A target that was never served is no run to go on with.
            if isinstance(ending.error, EmbedderInitFailed) and not runs.read_counters(store, run).reembedded:
                runs.transition(store, run, "cancelled", now_ms=self._now(), fenced=True)

    def _note_nothing_stale(self, store: Store, planned: Plan) -> None:
        if planned.scope is None:
            target, known = planned.target, known_fingerprint(store, planned.target)
            note_nothing_stale(store, known.id if known else None, target.space, target.dim, now_ms=self._now())

    def _nothing(self, planned: Plan) -> Ending:
        return Ending(None, planned.census.exit_code, "nothing stale", planned.census)

    def _now(self) -> int:
        return self.tools.clock.now_ms()

    def _since(self, began: float) -> int:
        return round((self.tools.clock.monotonic() - began) * 1000)


def _as_it_stands(store: Store, ending: Ending) -> Ending:
    """Return the ending with the run's present state: it may have been given up, by us or by an operator."""
    if ending.run is not None:
        with suppress(AiMemoryError):
            return replace(ending, run=runs.read_run(store, ending.run.run_id))
    return ending
