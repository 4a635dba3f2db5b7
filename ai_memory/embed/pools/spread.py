"""An embedder that spreads its calls over workers, each with the model: processes here, or actors of a cluster.

What is known of the model, what requests may cost and how they are retried is of one embedder, as with a model in this
process: only what computes is elsewhere, and the driver itself loads none.

A worker that ends is no outage: its calls fail as transient, are retried by whoever retries requests, and are then
asked of a new worker, by themselves, so that no other call is blamed. A batch over which two ended is refused as one
that no embedder takes: it is halved, and in the end one row goes into quarantine.

Each worker embeds the witness texts before anything else, and is used only if it gets the vectors that the first
worker gave them, which the run compares with those on record: a later one may find other files where the model lies.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.pools.channel import Answer, Computed, Failed, Loaded, Tell, total
from ai_memory.embed.pools.costs import Costs
from ai_memory.embed.pools.growth import LOOKS_AGAIN_S, Growth
from ai_memory.embed.pools.places import Deaths, Place, Places
from ai_memory.embed.pools.worker import Ended, Running, Worker
from ai_memory.embed.usage import Meter
from ai_memory.errors import AiMemoryError, RowsRefused, TargetChanged, TransientFailure
from ai_memory.text.amounts import counted
from ai_memory.vectors.checks import SAME_COSINE, cosines
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited
    from ai_memory.embed.pools.crew import Crew
    from ai_memory.vectors.target import Target, Vectors

_ONLY: ContextVar[int | None] = ContextVar("only", default=None)


class SpreadEmbedder:
    """An embedder whose model is loaded by several workers; each is started by the first call that needs it."""

    def __init__(self, target: Target, crew: Crew, awaited: Awaited, tell: Tell) -> None:
        """Start nothing yet; by `awaited` all calls can be broken off, `tell` is told what a person should know."""
        self.meter = Meter()
        self.max_batch = crew.max_batch
        self.places = Places(crew.many, crew.at_once)
        self._target, self._crew, self._awaited, self._tell = target, crew, awaited, _once(tell)
        self._running = [Running(number) for number in range(crew.many)]
        self._deaths, self._costs, self._growth = Deaths(), Costs(self.meter), Growth(crew, self._taken_on)
        self._witness: Vectors | None = None

    @property
    def target(self) -> Target:
        """What is known of the target; complete once a worker has loaded the model."""
        return self._target

    @property
    def concurrency(self) -> int:
        """How many calls may run at once, by workers that there are or may come to be."""
        return self._crew.most_at_once

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one call may carry."""
        return min(len(texts), self.max_batch)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            TransientFailure: the worker ended; the same call may succeed in another one.
            RowsRefused: two workers ended over these texts, or the model cannot take them.
            TargetChanged: a worker that was started now has other weights than the first one.
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
        """Send this thread's calls in the block to one worker, from 0 on."""
        token = _ONLY.set(number)
        try:
            yield
        finally:
            _ONLY.reset(token)

    def put_out(self, number: int) -> None:
        """Ask a worker no more: it has other weights than the others. What it was asked is asked of them."""
        self.places.shut(number)
        running = self._running[number]
        running.other_weights = True
        if running.worker:
            running.worker.hang_up()
        self._tell(self._has_other_weights)

    def close(self) -> None:
        """End the workers, and wait for that; a call for vectors starts them again."""
        self._growth.end()
        workers = [each.worker for each in self._running if each.worker]
        for worker in workers:
            worker.hang_up()
        for worker in workers:
            worker.close()
        # A call that was under way may have started some since.
        self._growth.end()
        for each in self._running:
            each.worker = None
        self._crew.end()
        self._costs.settle()

    def _asked(self, texts: tuple[str, ...], *, query: bool) -> Vectors:
        self._costs.settle()
        if all(self._running[number].is_at_work for number in self.places.open):
            self._growth.look(len(self._running))
        match answer := self._answered(texts, query=query):
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
                raise TypeError("a worker answered what it was not asked")

    def _taken_on(self, worker: Worker, loaded: Loaded | Failed | Ended) -> bool:
        """Send calls to a worker more, where it can be used; return whether it can."""
        if not isinstance(loaded, Loaded):
            return False
        self.meter.add(total(WITNESS_TEXTS) + loaded.witness.usage)
        if not self._is_same(loaded):
            self._tell(self._has_other_weights)
            return False
        self._running.append(Running(len(self._running), worker))
        self.places.add()
        self._now_known(loaded)
        self._tell(f"One more {self._crew.words.one} embeds from now on: there are {len(self._running)}.")
        return True

    def _answered(self, texts: tuple[str, ...], *, query: bool) -> Answer | Ended:
        """Return the first answer of a worker, or how the one ended that had the texts."""
        alone, only = self._deaths.suspected(texts), _ONLY.get()
        place = self._place(alone=alone, only=only)
        first = self._sent(texts, place, query=query)
        with self._costs.counted():
            if alone or only is not None or not self._is_late(first, texts):
                return first.result()
            while (spare := self.places.spare(beside=place.worker)) is None:
                if wait([first], timeout=1).done:
                    return first.result()
            self._tell(f"A {self._crew.words.one} that embeds is late; what it has is given to another one, too.")
            try:
                second = self._sent(texts, spare, query=query)
            except AiMemoryError:
                return first.result()
            return self._first_of(first, second)

    def _is_late(self, answer: Future[Answer | Ended], texts: Sequence[str]) -> bool:
        """Return whether an answer is late, once that is known; False as soon as it is there."""
        if not self._crew.pace or (patience := self._crew.pace.patience(texts)) is None:
            return False
        return not wait([answer], timeout=patience).done

    def _first_of(self, *answers: Future[Answer | Ended]) -> Answer | Ended:
        """Return the answer that is first there; an end of a worker is one where the other has ended, too."""
        for each in wait(answers, return_when=FIRST_COMPLETED).done:
            if not isinstance(each.result(), Ended):
                for other in {*answers} - {each}:
                    other.add_done_callback(lambda late: self._came_late(late.result()))
                return each.result()
        found = [each.result() for each in answers]
        return next((each for each in found if not isinstance(each, Ended)), found[0])

    def _came_late(self, answer: Answer | Ended) -> None:
        if isinstance(answer, Computed | Failed):
            self._costs.came_late(answer.usage)

    def _place(self, *, alone: bool, only: int | None) -> Place:
        """Take a place; where the `only` worker is gone, which has nothing to answer for then, one of another."""
        out = self._running if only is None else [self._running[only]]
        if all(each.other_weights for each in out):
            raise self._other_weights()
        if place := self.places.take(alone=alone, only=only) or self.places.take(alone=alone):
            return place
        raise TransientFailure(
            f"none of the {self._crew.words.several} that embed is there.", tip="Run the same command again."
        )

    def _sent(self, texts: tuple[str, ...], place: Place, *, query: bool) -> Future[Answer | Ended]:
        """Send a question to a worker, whose place is given back with its answer."""
        try:
            while True:
                worker = self._ready(self._running[place.worker])
                began = time.monotonic()
                answer = worker.ask(texts, query=query)
                if not _is_unsent(answer):
                    break
        except BaseException:
            self.places.give(place)
            raise
        self.meter.add(total(texts))
        answer.add_done_callback(lambda found: self._over(place, texts, found.result(), time.monotonic() - began))
        return answer

    def _over(self, place: Place, texts: Sequence[str], answer: Answer | Ended, seconds: float) -> None:
        self.places.give(place)
        if self._crew.pace and isinstance(answer, Computed):
            self._crew.pace.answered(texts, seconds)

    def _died(self, texts: Sequence[str], ended: Ended) -> TransientFailure | RowsRefused:
        self._awaited.require()
        over, words = counted(len(texts), "text"), self._crew.words
        if not ended.blames or not self._deaths.add(texts):
            return TransientFailure(
                f"the {words.one} that embeds ended {ended.how} over {over}.", tip=words.short_of_memory, in_doubt=True
            )
        return RowsRefused(
            f"the {words.one} that embeds ended each time it had {over}, the last time {ended.how}.",
            tip=words.short_of_memory,
            in_doubt=True,
        )

    def _ready(self, running: Running) -> Worker:
        """Return a worker that has loaded the model and agrees with the first one."""
        with running.lock:
            if running.other_weights:
                raise self._asked_no_more()
            if running.number not in self.places.open:
                raise TransientFailure(f"a {self._crew.words.one} that embeds found no room.")
            if running.worker and running.is_at_work:
                return running.worker
            if running.worker:
                self._tell(
                    f"A {self._crew.words.one} that embeds ended {running.worker.how}; another one takes its place."
                )
                running.worker = None
            worker = self._crew.start()
            try:
                self._judge(worker.loaded(), running)
            except BaseException:
                worker.close()
                raise
            running.worker = worker
            return worker

    def _judge(self, loaded: Loaded | Failed | Ended, running: Running) -> None:
        words = self._crew.words
        if isinstance(loaded, Ended):
            self._awaited.require()
            if loaded.no_room:
                # The others take its calls; whether there is room again is seen later.
                self.places.shut(running.number, seconds=LOOKS_AGAIN_S)
            raise TransientFailure(
                f"a {words.one} ended {loaded.how} while it loaded the model.", tip=words.short_of_memory, in_doubt=True
            )
        if isinstance(loaded, Failed):
            raise _error(loaded)
        self.meter.reached = True
        self.meter.add(total(WITNESS_TEXTS) + loaded.witness.usage)
        if not self._is_same(loaded):
            if self._crew.on_record:
                self.put_out(running.number)
                raise self._asked_no_more()
            raise self._other_weights()
        self._now_known(loaded)

    def _now_known(self, loaded: Loaded) -> None:
        several = counted(len(self._running), self._crew.words.one, self._crew.words.several)
        self._target = replace(loaded.target, engine=f"{loaded.target.engine} in {several}")

    def _is_same(self, loaded: Loaded) -> bool:
        """Return whether a worker gave the witness texts the vectors on record, or those of the first one."""
        found, known = loaded.witness.array(), self._witness
        if known is None and self._crew.on_record:
            known = self._crew.on_record()
        known = found if known is None else known
        same = loaded.target.space == self._target.space and found.shape == known.shape
        if not same or not float(cosines(known, found).min()) >= SAME_COSINE:
            return False
        self._witness = known
        return True

    @property
    def _has_other_weights(self) -> str:
        one, model = self._crew.words.one, self._target.model
        return f"A {one} that embeds has other weights of {model} than the others have; it is asked no more."

    def _asked_no_more(self) -> TransientFailure | TargetChanged:
        """Return what a call comes to whose worker is put out: another one may take it, where there is one."""
        if not self.places.open or _ONLY.get() is not None:
            return self._other_weights()
        return TransientFailure(f"a {self._crew.words.one} has other weights than the others, and is asked no more.")

    def _other_weights(self) -> TargetChanged:
        return TargetChanged(
            f"A {self._crew.words.one} that was started to embed has other weights of {self._target.model} than were"
            " there before.",
            tip="The model's files were changed: bring the old ones back, then run the same command again.",
        )


def _once(tell: Tell) -> Tell:
    """Return what passes on each text once: all workers tell the same, and one death is like the other."""
    told: set[str] = set()

    def passed_on(text: str) -> None:
        if text not in told:
            told.add(text)
            tell(text)

    return passed_on


def _is_unsent(answer: Future[Answer | Ended]) -> bool:
    """Return whether a worker had ended before it could have the question."""
    return answer.done() and isinstance(found := answer.result(), Ended) and not found.sent


def _error(failed: Failed) -> Exception:
    """Return the error of a worker; a bug of ours with the traceback that it had there."""
    return failed.error or RuntimeError(f"in a worker process:\n{failed.bug}")
