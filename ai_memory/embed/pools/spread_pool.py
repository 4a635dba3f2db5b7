"""The pool of workers over which one embedder spreads its calls: each of them is asked for the witness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from threading import Lock
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ai_memory.embed.pools.threads import MAX_THREADS, ThreadPool

if TYPE_CHECKING:
    from ai_memory.embed.pools.places import Places
    from ai_memory.embed.port import Outcasts, ResilientEmbedder

WorkT = TypeVar("WorkT")
AnswerT = TypeVar("AnswerT")


class Spread(Protocol):
    """What the pool must know of the embedder that spreads its calls."""

    places: Places

    @property
    def concurrency(self) -> int:
        """How many calls may run at once."""

    def only(self, number: int) -> AbstractContextManager[None]:
        """Send this thread's calls in the block to one worker, from 0 on."""

    def put_out(self, number: int) -> None:
        """Ask a worker no more."""


class SpreadPool(ThreadPool[WorkT, AnswerT]):
    """Threads that ask an embedder whose workers compute."""

    def __init__(
        self,
        embedder: ResilientEmbedder,
        ask: Callable[[ResilientEmbedder, WorkT], AnswerT],
        spread: Spread,
        outcasts: Outcasts[AnswerT] | None = None,
    ) -> None:
        """Begin with no thread; `embedder` asks by `spread`. With `outcasts` one worker of other weights is put out."""
        super().__init__(embedder, ask, threads=max(MAX_THREADS, spread.concurrency))
        self._spread, self._outcasts = spread, outcasts

    @property
    def capacity(self) -> int:
        """How much work may usefully be under way now: none for workers that are asked no more."""
        return max(min(super().capacity, self._spread.places.all_open), 1)

    @property
    def judges(self) -> bool:
        """Whether workers of other weights than the others are asked no more, once they are asked for the witness."""
        return self._outcasts is not None

    def witness(self, work: WorkT) -> Sequence[Future[AnswerT]]:
        """Return the answer to come of each worker; where those are judged, none is there before all are.

        Raises:
            RuntimeError: the pool is closed.
        """
        numbers = self._spread.places.open
        asked = [self._executor.submit(self._asked_of, number, work) for number in numbers]
        if not self._outcasts or not numbers:
            return asked or [self.submit(work)]
        return _Judged(asked, numbers, self._outcasts, self._spread.put_out).answers

    def _asked_of(self, number: int, work: WorkT) -> AnswerT:
        with self._spread.only(number):
            return self._ask(self._embedder, work)


class _Judged(Generic[AnswerT]):
    """The answers of all workers, once all are there; those that alone differ are of workers that are put out."""

    def __init__(
        self,
        asked: Sequence[Future[AnswerT]],
        numbers: Sequence[int],
        outcasts: Outcasts[AnswerT],
        put_out: Callable[[int], None],
    ) -> None:
        self._asked, self._numbers, self._outcasts, self._put_out = asked, numbers, outcasts, put_out
        self._lock, self._awaited = Lock(), len(asked)
        self.answers: list[Future[AnswerT]] = [Future() for _ in asked]
        for each in self.answers:
            # What was asked of all cannot be taken back from some.
            each.set_running_or_notify_cancel()
        for each in asked:
            each.add_done_callback(self._answered)

    def _answered(self, _: Future[AnswerT]) -> None:
        with self._lock:
            self._awaited -= 1
            if self._awaited:
                return
        differs = [not each.exception() and self._outcasts.differs(each.result()) for each in self._asked]
        some = any(differs) and not all(differs)
        for number, asked, answer, differing in zip(self._numbers, self._asked, self.answers, differs, strict=True):
            if error := asked.exception():
                answer.set_exception(error)
            elif some and differing:
                self._put_out(number)
                answer.set_result(self._outcasts.put_out(asked.result()))
            else:
                answer.set_result(asked.result())
