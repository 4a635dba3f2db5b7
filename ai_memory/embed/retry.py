"""Retrying one request of an embedder; the only importer of tenacity."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from ai_memory.embed.embedder import Embedder, Vectors
from ai_memory.embed.wrapped import Wrapped
from ai_memory.errors import AnswerLate, AnswerViolation, RateLimited, TransientFailure

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

WAIT_MAX = 30.0
"""The longest wait of our own choosing between two attempts, in seconds."""


class Stop(Protocol):
    """What ends waits at once; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Return whether to stop."""

    def wait(self, timeout: float, /) -> bool:
        """Wait for the stop, `timeout` seconds at most; return whether it came."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request is retried: `retry_for` seconds from its first failure, `attempts` times (0: any number)."""

    retry_for: float = 120.0
    attempts: int = 0


ONE_ATTEMPT = Patience(attempts=1)
"""For a canary: what it meets now is the answer."""


class PatientEmbedder(Embedder, Protocol):
    """An embedder that retries by itself, and learns how much its endpoint takes."""

    def with_patience(self, patience: Patience) -> PatientEmbedder:
        """Return the same embedder with another patience."""

    def learned(self) -> dict[str, int]:
        """Return what was learned of the endpoint's limits: plain numbers by name."""

    def restore(self, learned: Mapping[str, int]) -> None:
        """Take over what an earlier process learned."""


class RetryingEmbedder(Wrapped):
    """An embedder whose calls are retried while a retry can help; everything else is the inner one's.

    Waits are of full jitter (a random part of 1, 2, 4, … 30 s), or what the server asks for. `stop`
    ends a wait at once and lets no further attempt begin.
    """

    def __init__(
        self,
        inner: Embedder,
        *,
        stop: Stop,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Wrap `inner`; `sleep` replaces waiting for the stop, for tests."""
        super().__init__(inner)
        self._stop = stop
        self._patience = patience or Patience()
        self._clock = clock
        self._sleep = sleep or stop.wait

    def with_patience(self, patience: Patience) -> RetryingEmbedder:
        """Return the same embedder with another patience."""
        return RetryingEmbedder(self._inner, stop=self._stop, patience=patience, clock=self._clock, sleep=self._sleep)

    def learned(self) -> dict[str, int]:
        """Return nothing: retrying teaches no limits."""
        return {}

    def restore(self, learned: Mapping[str, int]) -> None:
        """Leave what an earlier process learned to others."""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedError: of the last attempt.
        """
        return self._retried(lambda: self._inner.embed_documents(texts))

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: of the last attempt.
        """
        return self._retried(lambda: self._inner.embed_query(text))

    def _retried(self, attempt: Callable[[], T]) -> T:
        from tenacity import Retrying, wait_random_exponential

        jitter = wait_random_exponential(multiplier=1, max=WAIT_MAX)
        failed_at: list[float] = []
        retrying = Retrying(
            retry=lambda state: _worth_it(_error(state)) and not self._stop.is_set(),
            # A pause is taken as it is: the pace lets the requests behind it go one by one.
            wait=lambda state: _pause_of(_error(state)) or jitter(state),
            stop=lambda state: self._over(state, failed_at),
            sleep=self._pause,
            reraise=True,
        )
        return retrying(self._unless_stopped(attempt))

    def _unless_stopped(self, attempt: Callable[[], T]) -> Callable[[], T]:
        """Return `attempt`, which raises its last error again when the stop came during the wait after it."""
        last: list[TransientFailure | AnswerViolation] = []

        def guarded() -> T:
            if last and self._stop.is_set():
                raise last[-1]
            if last:
                self.meter.add(retries=1)
            try:
                answer = attempt()
            except (TransientFailure, AnswerViolation) as error:
                last.append(error)
                if not self._stop.is_set():
                    self.meter.failure = error.what
                raise
            self.meter.failure = ""
            return answer

        return guarded

    def _over(self, state: RetryCallState, failed_at: list[float]) -> bool:
        """Return whether no further attempt may follow: too many, or the next would begin too late.

        Time counts from the first failure: the wait for a place among the requests in flight is no failure.
        """
        failed_at.append(self._clock())
        patience = self._patience
        if patience.attempts and state.attempt_number >= patience.attempts:
            return True
        return failed_at[-1] - failed_at[0] + state.upcoming_sleep > patience.retry_for

    def _pause(self, seconds: float) -> None:
        self._sleep(seconds)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _worth_it(error: BaseException | None) -> bool:
    # The same texts would be late again.
    return isinstance(error, TransientFailure | AnswerViolation) and not isinstance(error, AnswerLate)


def _pause_of(error: BaseException | None) -> float:
    return error.pause if isinstance(error, RateLimited) else 0.0
