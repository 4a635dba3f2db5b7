"""An embedder for somebody who waits: whatever its endpoint does, all calls together take a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from ai_memory.embed.flow.wrapper import Wrapper
from ai_memory.errors import AiMemoryError, EmbedError, TransientFailure
from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder, RetryPolicy
    from ai_memory.vectors.target import Vectors

T = TypeVar("T")


class TimeLimit(Frozen):
    """How long somebody waits for `whom`: `seconds`, until `ends` on the monotonic clock; then `stop` is set."""

    whom: str
    seconds: float
    ends: float
    stop: Event

    @staticmethod
    def begin(whom: str, seconds: float, stop: Event) -> TimeLimit:
        """Return the wait that begins now."""
        return TimeLimit(whom, seconds, time.monotonic() + seconds, stop)


class TimeLimitedEmbedder(Wrapper):
    """An embedder whose calls end when the wait does.

    What did not end by then is left to itself in a thread that ends with the process: a name that is not resolved, a
    handshake that drips, and a header that never ends all look alike from here.
    """

    def __init__(self, inner: ResilientEmbedder, wait: TimeLimit) -> None:
        """Wrap `inner`, whose waits the wait's `stop` ends."""
        super().__init__(inner)
        self._patient = inner
        self._wait = wait

    def with_retry_policy(self, retry_policy: RetryPolicy) -> TimeLimitedEmbedder:
        """Return the same embedder with another retry policy, within the same wait."""
        return TimeLimitedEmbedder(self._patient.with_retry_policy(retry_policy), self._wait)

    def at_once(self) -> TimeLimitedEmbedder:
        """Return the same embedder that does not retry what may be its texts' fault, within the same wait."""
        return TimeLimitedEmbedder(self._patient.at_once(), self._wait)

    def learned(self) -> dict[str, int]:
        """Return what was learned of the endpoint's limits: plain numbers by name."""
        return self._patient.learned()

    def restore(self, learned: Mapping[str, int]) -> None:
        """Take over what an earlier process learned."""
        self._patient.restore(learned)

    def each(self, texts: Sequence[str]) -> Iterator[Vectors | EmbedError]:
        """Yield what became of each text: its vector, or the error that may be its own fault.

        Raises:
            TransientFailure: the time is over.
            AiMemoryError: the inner one's.
        """
        yield from self._in_time(lambda: list(self._patient.each(texts)))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            TransientFailure: the time is over.
            AiMemoryError: the inner one's.
        """
        return self._in_time(lambda: self._inner.embed_documents(texts))

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            TransientFailure, AiMemoryError: see `embed_documents`.
        """
        return self._in_time(lambda: self._inner.embed_query(text))

    def begin_query(self, text: str) -> Callable[[], Vectors]:
        """Ask for the vector of a search query, and return what waits for it as `embed_query` does."""
        return self._begun(lambda: self._inner.embed_query(text))

    def _in_time(self, call: Callable[[], T]) -> T:
        return self._begun(call)()

    def _begun(self, call: Callable[[], T]) -> Callable[[], T]:
        answer: Future[T] = Future()
        Thread(target=_give, args=(answer, call), daemon=True).start()
        return lambda: self._awaited(answer)

    def _awaited(self, answer: Future[T]) -> T:
        try:
            return answer.result(max(self._wait.ends - time.monotonic(), 0.0))
        except TimeoutError:
            self._wait.stop.set()
            raise TransientFailure(
                f"{self._wait.whom} gave no answer within {self._wait.seconds:.0f} s.",
                tip="See what it says to somebody who waits longer: ai-memory doctor",
                in_doubt=True,
            ) from None


def _give(answer: Future[T], call: Callable[[], T]) -> None:
    try:
        answer.set_result(call())
    except AiMemoryError as error:
        answer.set_exception(error)
    finally:
        # A bug keeps its traceback, which this thread shows.
        answer.cancel()
