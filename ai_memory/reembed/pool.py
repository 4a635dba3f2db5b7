"""The port behind which workers embed: threads today. Values go in, values come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Protocol

from ai_memory.embed.retry import PatientEmbedder
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.work import AskWitness, PageAnswer, Question
from ai_memory.reembed.worker import Worker

MAX_THREADS = 512
"""Threads that wait for answers at most; how many there are is the embedder's `concurrency`."""


class Pool(Protocol):
    """Workers that answer questions side by side, in any order.

    A worker takes over the sizes in a question before it asks for anything. What an error of the endpoint comes to
    stands in the answer; a future only fails where the worker itself did.
    """

    @property
    def capacity(self) -> int:
        """How many questions may usefully be in flight now."""

    @property
    def failure(self) -> str:
        """What a request that is retried just now came to, as far as it is seen from here; empty where none is."""

    def submit(self, question: Question) -> Future[PageAnswer]:
        """Ask one of the workers."""

    def witness(self, question: AskWitness) -> Sequence[Future[PageAnswer]]:
        """Ask every worker."""


class ThreadPool:
    """Threads that share one embedder: it alone is asked for the witness."""

    def __init__(self, embedder: PatientEmbedder, stop: Stop, executor: Executor) -> None:
        """Ask by way of `embedder` in the threads of `executor`."""
        self._embedder, self._executor = embedder, executor
        self._worker = Worker(embedder, stop)

    @property
    def capacity(self) -> int:
        """How many requests may usefully be in flight now."""
        return self._embedder.concurrency

    @property
    def failure(self) -> str:
        """What the last request came to where that may be retried, empty where it was answered."""
        return self._embedder.meter.failure

    def submit(self, question: Question) -> Future[PageAnswer]:
        """Ask in a thread."""
        return self._executor.submit(self._worker.do, question)

    def witness(self, question: AskWitness) -> Sequence[Future[PageAnswer]]:
        """Ask the one embedder."""
        return [self.submit(question)]


@contextmanager
def threads(embedder: PatientEmbedder, stop: Stop, executor: Callable[[int], Executor]) -> Iterator[Pool]:
    """Open a pool of threads that ends with the block."""
    with executor(MAX_THREADS) as opened:
        yield ThreadPool(embedder, stop, opened)
