"""One invocation of the real job on a world, with everything that can get in its way."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import NoReturn

from ai_memory.embed.assemble import threads
from ai_memory.embed.port import RetryPolicy
from ai_memory.errors import AiMemoryError, QuotaExhausted, RateLimited, RowsRefused, TransientFailure
from ai_memory.reembed.finish.prune import Prune
from ai_memory.reembed.finish.rollback import Rollback
from ai_memory.reembed.finish.rollback_report import RollbackReport
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.job import Job
from ai_memory.reembed.options import Options
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import SweepTools, Tools
from ai_memory.show.narrator import Narrator
from ai_memory.show.progress import SilentProgress
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database
from ai_memory.stores.port import Database
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.machine.edits import Edit
from tests.machine.pool import EAGER, OrderedPool
from tests.machine.storage import Statement
from tests.machine.world import World
from tests.support.fakes import HashEmbedder, patient
from tests.support.promises import Model
from tests.support.strategies import POISON

ASKED_WAIT = 7.0
"""Seconds a rate-limited answer asks for."""

SHORT = 6
"""Calls that fail in a short outage: as many as a page, and after it the canary, are asked for."""

SIGTERM_EXIT = 143


class Killed(BaseException):
    """SIGKILL: nothing is done after it."""


@dataclass(slots=True)
class Clock:
    """A clock that only moves when it is told to."""

    ms: int = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@dataclass(frozen=True, slots=True)
class Script:
    """What happens during an invocation.

    `calls` names, by the number of the embed call, faults of the endpoint and interference; `edits` are made
    in those calls, `statements` just before the runner's n-th SQL statement; before `kill_at` it dies.
    """

    calls: Mapping[int, str] = field(default_factory=dict)
    edits: Mapping[int, Sequence[Edit]] = field(default_factory=dict)
    statements: Mapping[int, Edit] = field(default_factory=dict)
    kill_at: int | None = None
    order: str = EAGER
    max_batch: int = 64
    concurrency: int = 1


@dataclass(slots=True)
class Outcome:
    """What an invocation ended with: a report, a refusal, or (both None) a kill.

    `calls` are requests, `sent` the documents in them, `lost` those that were never answered though others were,
    `waits` seconds waited, `faults` what of the script happened.
    """

    report: RunReport | None = None
    refusal: AiMemoryError | None = None
    calls: int = 0
    sent: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    waits: list[float] = field(default_factory=list)
    faults: set[str] = field(default_factory=set)

    @property
    def killed(self) -> bool:
        return self.report is None and self.refusal is None

    @property
    def exit_code(self) -> int | None:
        if self.report:
            return self.report.exit_code
        return self.refusal.exit_code if self.refusal else None


class Invocation:
    """Runs one request against a model; `interfere` does what other processes do to the run itself."""

    def __init__(
        self, world: World, clock: Clock, model: Model, script: Script, *, interfere: Callable[[str], None]
    ) -> None:
        self._world, self._clock, self._script = world, clock, script
        self._interfere = interfere
        self._calls = self._statements = 0
        self._stop = Stop()
        self._failing = ""
        self._calls_to_fail = 0
        self._lost: frozenset[str] = frozenset()
        self._refused: set[str] = set()
        self._excused: set[str] = set()
        self._limited = False
        self._dead = False
        self._due: list[Edit] = []
        self.outcome = Outcome()
        self._inner = HashEmbedder(
            dim=model.dim,
            model=model.name,
            poison=POISON,
            max_batch=script.max_batch,
            concurrency=script.concurrency,
            before=self._before,
        )

    def run(self, options: Options) -> Outcome:
        """Run the job to its report, its refusal or its death."""
        self._world.touched.clear()
        self._world.touched_before.clear()
        if options.or_start:
            # As an operator does beforehand; what happens without is in tests/reembed/plan/test_approval.py.
            self._approve()
        with self._watched():
            try:
                self.outcome.report = self._job(options).run()
            except AiMemoryError as error:
                self.outcome.refusal = error
            except Killed:
                pass
        return self.outcome

    def undo(self, *, batch: int, max_rows: int | None) -> RollbackReport | AiMemoryError | None:
        """Roll back to the report, the refusal or (None) the death."""
        with self._watched():
            try:
                file, nobody = self._file, lambda _: None
                return Rollback(file, self._silent, nobody, batch=batch, max_rows=max_rows).run()
            except AiMemoryError as error:
                return error
            except Killed:
                return None

    def prune(self) -> None:
        """Drop what is kept, or die."""
        with self._watched(), suppress(Killed, AiMemoryError):
            Prune(self._file, self._silent, lambda _: None).run()

    @property
    def _file(self) -> Database:
        return database(self._world.path, OpenOptions(heed=self._stop.heed))

    @property
    def _silent(self) -> SweepTools:
        return SweepTools(self._clock, self._stop, lambda _: None)

    def _job(self, options: Options) -> Job:
        stop, clock = self._stop.event, self._clock.monotonic
        embedder = patient(self._inner, retry_policy=RetryPolicy(), stop=stop, clock=clock, sleep=self._sleep)
        tools = Tools(
            self._clock,
            self._stop,
            Narrator(SilentProgress(io.StringIO())),
            Random(0),
            embedder=embedder,
            workers=partial(threads, embedder, partial(answer, stop=self._stop), executor=self._threads),
            pool=self._threads,
        )
        return Job(self._file, options, tools, disclose=lambda _: None)

    def _threads(self, _most: int) -> OrderedPool:
        return OrderedPool(self._script.order)

    def _sleep(self, seconds: float) -> None:
        self.outcome.waits.append(seconds)
        if self._limited:
            assert seconds >= ASKED_WAIT
            self._limited = False
            self.outcome.faults.add("waited")
        self._clock.sleep(seconds)

    def _before(self, texts: Sequence[str]) -> None:
        self._calls += 1
        self.outcome.calls = self._calls
        self._world.in_flight = frozenset(texts)
        self.outcome.sent.extend(text for text in texts if text not in WITNESS_TEXTS)
        for edit in self._script.edits.get(self._calls, ()):
            edit.apply(self._world)
        if event := self._script.calls.get(self._calls):
            self._happen(event, texts)
        self._answer_badly(texts)

    def _happen(self, event: str, texts: Sequence[str]) -> None:
        self.outcome.faults.add(event)
        match event:
            case "outage" | "refuse all" | "no quota" | "refuse once":
                self._failing = event
            case "short outage":
                self._calls_to_fail = SHORT
            case "lost page":
                self._lost = frozenset(texts) - {*WITNESS_TEXTS}
                self.outcome.lost |= self._lost
            case "rate limit":
                self._limited = True
                raise RateLimited("too many requests.", http_status=429, retry_after=ASKED_WAIT)
            case "signal":
                self._stop.ask("SIGTERM", exit_code=SIGTERM_EXIT)
            case "die":
                self._dead = True
                raise Killed
            case "stall":
                self._clock.sleep(3600)
            case _:
                with self._world.storage.traced(None):
                    self._interfere(event)

    def _answer_badly(self, texts: Sequence[str]) -> None:
        if self._calls_to_fail:
            self._calls_to_fail -= 1
            raise TransientFailure("the endpoint is gone for a while.", http_status=503)
        if not self._lost.isdisjoint(texts):
            raise TransientFailure("no answer to this request.", http_status=504)
        match self._failing:
            case "outage":
                raise TransientFailure("the endpoint is gone.", http_status=503)
            case "refuse all" if not self._excused.issuperset(texts):
                self._refuse(texts, "everything is refused.")
            case "no quota":
                raise QuotaExhausted("nothing left to spend.", http_status=402)
            case "refuse once" if not self._refused.issuperset(set(texts) - {*WITNESS_TEXTS}):
                # As by a server that restarts meanwhile; the canary passes.
                self._refuse(texts, "not now.")
        if len(texts) == 1 and set(texts) <= {*WITNESS_TEXTS}:
            # What is refused by itself on both sides of a passing canary is a bad text, whatever made it so.
            self._excused |= self._refused

    def _refuse(self, texts: Sequence[str], words: str) -> NoReturn:
        self._refused |= set(texts) - {*WITNESS_TEXTS} if len(texts) == 1 else set()
        raise RowsRefused(words, http_status=400)

    def _approve(self) -> None:
        target, now_ms = self._inner.target, self._clock.now_ms()
        with self._file.write(now_ms=now_ms) as store, store.transaction() as transaction:
            transaction.operator.approve(target.space, target.dim, by="ann on db1", how="approve", now_ms=now_ms)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Step through the block statement by statement; nothing of it is left connected."""
        storage = self._world.storage
        with storage.alone(self._world.path), storage.traced(self._step):
            yield

    def _step(self, statement: Statement) -> None:
        self._statements += 1
        if self._dead or self._statements == self._script.kill_at:
            self._dead = True
            raise Killed
        if statement.begins_snapshot:
            self._world.begin_snapshot()
        if edit := self._script.statements.get(self._statements):
            self._due.append(edit)
        # Another process would wait until our write transaction is over.
        if self._due and not statement.writing:
            self._due.pop().apply(self._world)
