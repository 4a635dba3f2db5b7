"""A pool of processes, each with an embedder of its own: that there can be one shows that all that travels can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Generic, TypeVar

from ai_memory.config.embedding import EmbeddingSettings
from ai_memory.embed.assemble import assemble
from ai_memory.embed.port import ResilientEmbedder
from ai_memory.embed.terms import Terms
from ai_memory.vectors.target import Vectors

WorkT = TypeVar("WorkT")
AnswerT = TypeVar("AnswerT")
_OWN: list[ResilientEmbedder] = []
"""In a worker: its embedder."""


class ProcessPool(Generic[WorkT, AnswerT]):
    """Started afresh (spawn), so that a worker has nothing but what was pickled for it."""

    def __init__(
        self,
        settings: EmbeddingSettings,
        terms: Terms,
        ask: Callable[[ResilientEmbedder, WorkT], AnswerT],
        *,
        workers: int = 2,
    ) -> None:
        self._ask = ask
        self._turn = 0
        self._workers = [
            ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=(settings, terms))
            for _ in range(workers)
        ]

    @property
    def capacity(self) -> int:
        return len(self._workers)

    @property
    def failure(self) -> str:
        return ""

    @property
    def judges(self) -> bool:
        return False

    def submit(self, work: WorkT) -> Future[AnswerT]:
        self._turn += 1
        return self._workers[self._turn % len(self._workers)].submit(_asked, self._ask, work)

    def witness(self, work: WorkT) -> Sequence[Future[AnswerT]]:
        return [each.submit(_asked, self._ask, work) for each in self._workers]

    def close(self) -> None:
        for each in self._workers:
            each.shutdown(cancel_futures=True)


def _begin(settings: EmbeddingSettings, terms: Terms) -> None:
    _OWN.append(assemble(settings, terms))


def _asked(ask: Callable[[ResilientEmbedder, Any], AnswerT], work: Any) -> AnswerT:  # noqa: ANN401 - passed through
    return ask(_OWN[0], work)


def embedded(embedder: ResilientEmbedder, texts: Sequence[str]) -> Vectors:
    """Return the vectors of `texts`: work that any worker can do."""
    return embedder.embed_documents(texts)
