"""A pool of threads that share one embedder: while one waits for an answer, others ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder

MAX_THREADS = 512
"""Threads that wait for answers at most; how many there are is the embedder's `concurrency`."""
WorkT = TypeVar("WorkT")
AnswerT = TypeVar("AnswerT")


class ThreadPool(Generic[WorkT, AnswerT]):
    """Workers of this process. Their number is an upper bound: how many may ask at once the embedder says."""

    def __init__(
        self,
        embedder: ResilientEmbedder,
        ask: Callable[[ResilientEmbedder, WorkT], AnswerT],
        *,
        threads: int = MAX_THREADS,
        executor: Callable[[int], Executor] = ThreadPoolExecutor,
    ) -> None:
        """Begin with no thread; `ask` turns work into its answer, in any of at most so many `threads`.

        `executor` makes what runs in them.
        """
        self._embedder = embedder
        self._ask = ask
        self._executor = executor(threads)

    @property
    def capacity(self) -> int:
        """How much work may usefully be under way now."""
        return self._embedder.concurrency

    @property
    def failure(self) -> str:
        """What the last request came to where that may be retried, empty where it was answered."""
        return self._embedder.meter.failure

    @property
    def judges(self) -> bool:
        """Whether workers of other weights than the others are asked no more, once they are asked for the witness."""
        return False

    def submit(self, work: WorkT) -> Future[AnswerT]:
        """Return the answer to come.

        Raises:
            RuntimeError: the pool is closed.
        """
        return self._executor.submit(self._ask, self._embedder, work)

    def witness(self, work: WorkT) -> Sequence[Future[AnswerT]]:
        """Return one answer to come for all threads, as they have one embedder.

        Raises:
            RuntimeError: the pool is closed.
        """
        return [self.submit(work)]

    def close(self) -> None:
        """Take no more work, drop what was not begun, wait for the rest, and close the embedder."""
        self._executor.shutdown(cancel_futures=True)
        self._embedder.close()
