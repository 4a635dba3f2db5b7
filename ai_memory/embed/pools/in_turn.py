"""A pool of the calling thread alone: one question after the other, so that a signal ends it as it ends the program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from ai_memory.errors import AiMemoryError

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder

WorkT = TypeVar("WorkT")
AnswerT = TypeVar("AnswerT")


class InTurn(Generic[WorkT, AnswerT]):
    """One worker, which has answered before `submit` returns."""

    capacity = 1
    judges = False

    def __init__(self, embedder: ResilientEmbedder, ask: Callable[[ResilientEmbedder, WorkT], AnswerT]) -> None:
        """Begin with nothing asked; `ask` turns work into its answer."""
        self._embedder, self._ask, self._closed = embedder, ask, False

    @property
    def failure(self) -> str:
        """What the last request came to where that may be retried, empty where it was answered."""
        return self._embedder.meter.failure

    def submit(self, work: WorkT) -> Future[AnswerT]:
        """Return the answer, which is there.

        Raises:
            RuntimeError: the pool is closed.
        """
        if self._closed:
            raise RuntimeError("the pool is closed")
        answer: Future[AnswerT] = Future()
        try:
            answer.set_result(self._ask(self._embedder, work))
        except AiMemoryError as error:
            answer.set_exception(error)
        return answer

    def witness(self, work: WorkT) -> Sequence[Future[AnswerT]]:
        """Return the one answer."""
        return [self.submit(work)]

    def close(self) -> None:
        """Take no more work, and close the embedder."""
        self._closed = True
        self._embedder.close()
