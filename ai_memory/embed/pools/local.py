"""Worker processes on this machine, each with the model: an embedder that spreads its calls over them, and its pool.

What is known of the model, what requests may cost and how they are retried is of one embedder, as with a model in this
process: only what computes is elsewhere, and the driver itself loads none.

A process that ends is no outage: its calls fail as transient, are retried by whoever retries requests, and are then
asked of a new process, by themselves, so that no other call is blamed. A batch over which two ended is refused as one
that no embedder takes: it is halved, and in the end one row goes into quarantine.

Each process embeds the witness texts before anything else, and is used only if they get the vectors that the first
process gave them, which the run compares with those on record: a later one may find other files where the model lies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ai_memory.embed.pools.channel import Answer, Begin, Computed, Failed, Loaded, Tell, total
from ai_memory.embed.pools.places import Deaths, Places
from ai_memory.embed.pools.process import Ended, WorkerProcess
from ai_memory.embed.pools.threads import ThreadPool
from ai_memory.embed.usage import Meter, Usage
from ai_memory.errors import EmbedderInitFailed, RowsRefused, TargetChanged, TransientFailure
from ai_memory.text.amounts import counted
from ai_memory.vectors.checks import SAME_COSINE, cosines
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.vectors.target import Target, Vectors

WorkT = TypeVar("WorkT")
AnswerT = TypeVar("AnswerT")
_ONLY: ContextVar[int | None] = ContextVar("only", default=None)
SHORT_OF_MEMORY = "If this machine was short of memory, give a smaller --embedders."


@dataclass(frozen=True, slots=True)
class Workers:
    """So many processes, each begun as `begin` says then, and of a model that takes `max_batch` texts in a call."""

    processes: int
    begin: Callable[[], Begin]
    at_once: int
    max_batch: int


class ProcessEmbedder:
    """An embedder whose model is loaded by several processes; each is started by the first call that needs it."""

    def __init__(self, target: Target, workers: Workers, awaited: Awaited, tell: Tell) -> None:
        """Start nothing yet; by `awaited` all calls can be broken off, `tell` is told what a person should know."""
        self.meter = Meter()
        self.max_batch, self.concurrency = workers.max_batch, workers.processes * workers.at_once
        self._target, self._workers, self._awaited, self._tell = target, workers, awaited, _once(tell)
        self._running = [_Running() for _ in range(workers.processes)]
        self._places = Places(workers.processes, workers.at_once)
        self._deaths, self._busy = Deaths(), _Busy()
        self._witness: Vectors | None = None

    @property
    def target(self) -> Target:
        """What is known of the target; complete once a process has loaded the model."""
        return self._target

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one call may carry."""
        return min(len(texts), self.max_batch)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            TransientFailure: the process ended; the same call may succeed in another one.
            RowsRefused: two processes ended over these texts, or the model cannot take them.
            TargetChanged: a process that was started now has other weights than the first one.
            EmbedderInitFailed, AnswerViolation: see `LocalEmbedder`.
        """
        if not texts:
            return np.zeros((0, self._target.dim), dtype=np.float32)
        return self._asked(tuple(texts), query=False)

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            AiMemoryError: see `embed_documents`.
        """
        row: Vectors = self._asked((text,), query=True)[0]
        return row

    @contextmanager
    def only(self, number: int) -> Iterator[None]:
        """Send this thread's calls in the block to one process, from 0 on."""
        token = _ONLY.set(number)
        try:
            yield
        finally:
            _ONLY.reset(token)

    def close(self) -> None:
        """End the processes, and wait for that; a call for vectors starts them again."""
        running = [each.process for each in self._running if each.process]
        for process in running:
            process.hang_up()
        for process in running:
            process.close()
        for each in self._running:
            each.process = None

    def _asked(self, texts: tuple[str, ...], *, query: bool) -> Vectors:
        with self._places.one(alone=self._deaths.suspected(texts), only=_ONLY.get()) as number:
            answer = self._answered(self._running[number], texts, query=query)
        match answer:
            case Ended():
                raise self._died(texts, answer)
            case Failed():
                self.meter.add(answer.usage)
                self._deaths.passed(texts)
                raise _error(answer)
            case Computed():
                self.meter.add(answer.usage)
                self._deaths.passed(texts)
                return answer.array()
            case _:
                raise TypeError("a worker process answered what it was not asked")

    def _answered(self, running: _Running, texts: tuple[str, ...], *, query: bool) -> Answer | Ended:
        """Return the answer of a process, or how the one ended that had the texts."""
        while True:
            process = self._ready(running)
            with self._busy.counted(self.meter):
                answer = process.ask(texts, query=query)
            if not isinstance(answer, Ended) or answer.sent:
                self.meter.add(total(texts))
                return answer

    def _died(self, texts: Sequence[str], ended: Ended) -> TransientFailure | RowsRefused:
        self._awaited.require()
        over = counted(len(texts), "text")
        if not self._deaths.add(texts):
            return TransientFailure(
                f"the process that embeds ended {ended.how} over {over}.", tip=SHORT_OF_MEMORY, in_doubt=True
            )
        return RowsRefused(
            f"the process that embeds ended each time it had {over}, the last time {ended.how}.",
            tip=SHORT_OF_MEMORY,
            in_doubt=True,
        )

    def _ready(self, running: _Running) -> WorkerProcess:
        """Return a process that has loaded the model and agrees with the first one."""
        with running.lock:
            if running.process and not running.process.has_ended:
                return running.process
            if running.process:
                self._tell(f"A process that embeds ended {running.process.how}; another one takes its place.")
                running.process = None
            process = self._started()
            try:
                self._judge(process.loaded())
            except BaseException:
                process.close()
                raise
            running.process = process
            return process

    def _started(self) -> WorkerProcess:
        try:
            return WorkerProcess(self._workers.begin(), self._awaited, self._tell)
        except OSError as error:
            raise EmbedderInitFailed(
                f"no process to embed can be started: {error.strerror}.", tip="Give a smaller --embedders."
            ) from error

    def _judge(self, loaded: Loaded | Failed | Ended) -> None:
        if isinstance(loaded, Ended):
            self._awaited.require()
            raise TransientFailure(
                f"a process ended {loaded.how} while it loaded the model.", tip=SHORT_OF_MEMORY, in_doubt=True
            )
        if isinstance(loaded, Failed):
            raise _error(loaded)
        self.meter.reached = True
        self.meter.add(total(WITNESS_TEXTS) + loaded.witness.usage)
        self._require_same(loaded)
        processes = counted(len(self._running), "process", "processes")
        self._target = replace(loaded.target, engine=f"{loaded.target.engine} in {processes}")

    def _require_same(self, loaded: Loaded) -> None:
        found = loaded.witness.array()
        known = found if self._witness is None else self._witness
        same = loaded.target.space == self._target.space and found.shape == known.shape
        if not same or not float(cosines(known, found).min()) >= SAME_COSINE:
            model = self._target.model
            raise TargetChanged(
                f"A process that was started to embed has other weights of {model} than were there before.",
                tip="The model's files were changed: bring the old ones back, then run the same command again.",
            )
        self._witness = known


class ProcessPool(ThreadPool[WorkT, AnswerT]):
    """Threads that ask an embedder whose processes compute: each process is asked for the witness."""

    def __init__(
        self,
        embedder: ResilientEmbedder,
        ask: Callable[[ResilientEmbedder, WorkT], AnswerT],
        processes: int,
        only: Callable[[int], AbstractContextManager[None]],
    ) -> None:
        """Begin with no thread; `only` sends the calls of a thread to one of so many `processes`."""
        super().__init__(embedder, ask)
        self._processes, self._only = processes, only

    def witness(self, work: WorkT) -> Sequence[Future[AnswerT]]:
        """Return the answer to come of each process.

        Raises:
            RuntimeError: the pool is closed.
        """
        return [self._executor.submit(self._asked_of, number, work) for number in range(self._processes)]

    def _asked_of(self, number: int, work: WorkT) -> AnswerT:
        with self._only(number):
            return self._ask(self._embedder, work)


class _Running:
    """One of the processes, None before its start and after its end."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.process: WorkerProcess | None = None


class _Busy:
    """The time in which something is asked of any process, however many are."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked, self._since = 0, 0.0

    @contextmanager
    def counted(self, meter: Meter) -> Iterator[None]:
        """Count the time of the block, but what others count already."""
        with self._lock:
            if not self._asked:
                self._since = time.monotonic()
            self._asked += 1
        try:
            yield
        finally:
            with self._lock:
                now = time.monotonic()
                seconds, self._since = now - self._since, now
                self._asked -= 1
            meter.add(Usage(seconds=seconds))


def _once(tell: Tell) -> Tell:
    """Return what passes on each text once: all processes tell the same, and one death is like the other."""
    told: set[str] = set()

    def passed_on(text: str) -> None:
        if text not in told:
            told.add(text)
            tell(text)

    return passed_on


def _error(failed: Failed) -> Exception:
    """Return the error of a process; a bug of ours with the traceback that it had there."""
    return failed.error or RuntimeError(f"in a worker process:\n{failed.bug}")
