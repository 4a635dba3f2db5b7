"""Retrying one request of an embedder; the only importer of tenacity.

What fails the same way again and again fails by time, or by what was sent: a harmless text that passes tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from ai_memory.embed.flow.limiter import Limiter, Unlimited
from ai_memory.embed.flow.wrapper import Wrapper
from ai_memory.embed.port import Embedder, RetryPolicy, Stop
from ai_memory.embed.usage import Usage
from ai_memory.errors import (
    AnswerLate,
    AnswerViolation,
    EmbedError,
    ForeignAnswer,
    RateLimited,
    TransientFailure,
    VectorsBroken,
)
from ai_memory.vectors.witness import CANARY

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from ai_memory.vectors.target import Vectors

T = TypeVar("T")

WAIT_MAX = 30.0
"""The longest wait of our own choosing between two attempts, in seconds."""
RESTART = 30.0
"""Seconds that a server has to start again after a request at which it hung up."""
ALIKE = 3
"""So many failures of one kind in a row are worth the question whether it is the request's fault."""


@dataclass(slots=True)
class _Failures:
    """How one request failed so far, and when.

    `texts` are what it asks for, none for a query; `pause` is the wait that the refusal of a harmless text asked for.
    """

    texts: Sequence[str] = ()
    errors: list[TransientFailure | AnswerViolation] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    harmless_passed: bool | None = None
    pause: float = 0.0

    def add(self, error: TransientFailure | AnswerViolation, *, at: float) -> None:
        """Add one failure, at `at` seconds."""
        self.errors.append(error)
        self.at.append(at)
        error.harmless_passed = self.harmless_passed
        # Refused right after a harmless text passed: the rate is not what it is refused for.
        error.of_texts |= bool(self.harmless_passed and _says_later(error))

    def say(self, *, harmless_passed: bool) -> bool:
        """Say of the last failure whether a harmless text passed beside it, and return it."""
        self.harmless_passed = self.errors[-1].harmless_passed = harmless_passed
        return harmless_passed

    @property
    def lasted(self) -> float:
        """The seconds since the first failure."""
        return self.at[-1] - self.at[0]

    @property
    def of_doubt(self) -> bool:
        """Whether texts were sent that may be at fault."""
        return bool(self.texts) and list(self.texts) != [CANARY]

    @property
    def alike(self) -> bool:
        """Whether the last failures are of one kind that may be the texts' fault, and once more enough of them."""
        last = self.errors[-1]
        may_be = last.of_texts or _says_later(last)
        if not may_be or not self.of_doubt:
            return False
        if len(self.texts) == 1 and len(self.errors) == 1 and isinstance(last, AnswerViolation):
            return True
        kinds = {(type(each), each.http_status) for each in self.errors[-ALIKE:]}
        return len(self.errors) % ALIKE == 0 and len(kinds) == 1


class RetryingEmbedder(Wrapper):
    """An embedder whose calls are retried while a retry can help; everything else is the inner one's.

    A failure that may be the texts' fault is not retried any longer once a harmless text passes beside three of a
    kind, or beside one where a single text got no vector: its `harmless_passed` tells.
    Waits are of full jitter (a random part of 1, 2, 4, … 30 s), or what the server asks for. `stop`
    ends a wait at once and lets no further attempt begin.
    """

    def __init__(
        self,
        inner: Embedder,
        *,
        stop: Stop,
        retry_policy: RetryPolicy | None = None,
        limiter: Limiter | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Wrap `inner`, whose requests pass `limiter`; `sleep` replaces waiting for the stop, for tests."""
        super().__init__(inner)
        self._limiter = limiter or Unlimited(1)
        self._stop = stop
        self._retry_policy = retry_policy or RetryPolicy()
        self._clock = clock
        self._sleep = sleep or stop.wait

    def with_retry_policy(self, retry_policy: RetryPolicy) -> RetryingEmbedder:
        """Return the same embedder with another retry policy."""
        return RetryingEmbedder(
            self._inner,
            stop=self._stop,
            retry_policy=retry_policy,
            limiter=self._limiter,
            clock=self._clock,
            sleep=self._sleep,
        )

    def at_once(self) -> RetryingEmbedder:
        """Return the same embedder that does not retry what may be its texts' fault."""
        return self.with_retry_policy(replace(self._retry_policy, at_once=True))

    @property
    def is_at_once(self) -> bool:
        """Whether what may be the texts' fault is not retried."""
        return self._retry_policy.at_once

    def harmless_passes(self) -> bool:
        """Return whether a harmless text gets its vector now, by one attempt."""
        return _refusal(self._inner) is None

    def harmless_passes_after_restart(self) -> bool:
        """Return whether a harmless text gets its vector once a server had time to start again."""
        seconds = min(self._retry_policy.retry_for, RESTART)
        patient = self.with_retry_policy(replace(self._retry_policy, retry_for=seconds, at_once=False))
        return _refusal(patient) is None

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedError: of the last attempt.
        """
        return self._retried(lambda: self._inner.embed_documents(texts), _Failures(texts))

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: of the last attempt.
        """
        return self._retried(lambda: self._inner.embed_query(text), _Failures())

    def _retried(self, attempt: Callable[[], T], failures: _Failures) -> T:
        from tenacity import Retrying, wait_random_exponential

        jitter = wait_random_exponential(multiplier=1, max=WAIT_MAX)
        retrying = Retrying(
            retry=lambda state: self._worth_it(_error(state)) and not self._stop.is_set(),
            # A pause is taken as it is: the limiter lets the requests after it go one by one.
            wait=lambda state: _pause_of(_error(state)) or jitter(state),
            stop=lambda state: self._over(state, failures),
            sleep=lambda seconds: self._pause(seconds, failures),
            reraise=True,
        )
        return retrying(self._unless_stopped(attempt, failures))

    def _unless_stopped(self, attempt: Callable[[], T], failures: _Failures) -> Callable[[], T]:
        """Return `attempt`, which raises its last error again when the stop came during the wait after it."""

        def guarded() -> T:
            if failures.errors and self._stop.is_set():
                raise failures.errors[-1]
            if failures.errors:
                self.meter.add(Usage(retries=1))
            try:
                answer = attempt()
            except (TransientFailure, AnswerViolation) as error:
                failures.add(error, at=self._clock())
                self.meter.reached |= error.in_doubt or error.http_status is not None
                if not self._stop.is_set():
                    self.meter.failure = error.what
                raise
            self.meter.failure, self.meter.reached = "", True
            return answer

        return guarded

    def _worth_it(self, error: BaseException | None) -> bool:
        # The same texts would be late again or get the same broken vectors, the same address would bring the same page.
        in_vain = isinstance(error, AnswerLate | VectorsBroken | ForeignAnswer)
        if in_vain or not isinstance(error, TransientFailure | AnswerViolation):
            return False
        return not (self._retry_policy.at_once and error.of_texts)

    def _over(self, state: RetryCallState, failures: _Failures) -> bool:
        """Return whether no further attempt may follow: too many, or the next would begin too late, or help nothing.

        Time counts from the first failure: the wait for a place among the requests in flight is not a failure.
        """
        retry_policy = self._retry_policy
        if retry_policy.attempts and state.attempt_number >= retry_policy.attempts:
            return True
        named = isinstance(error := _error(state), RateLimited) and error.retry_after >= state.upcoming_sleep > 0
        if failures.lasted + state.upcoming_sleep > (retry_policy.longest_wait if named else retry_policy.retry_for):
            return True
        last = failures.errors[-1]
        if _says_later(last) and last.of_texts:
            return True
        at_once = retry_policy.at_once and _says_later(last) and failures.of_doubt
        if not (failures.alike or at_once):
            return False
        of_rate = isinstance(last, RateLimited) and not last.retry_after
        # Without the pause of others: what passes so was not refused for its rate.
        refusal = _refusal(self._inner, within=self._limiter.rate_doubted() if of_rate else None)
        failures.pause = _pause_of(refusal)
        if not failures.say(harmless_passed=refusal is None):
            return failures.lasted + failures.pause > retry_policy.longest_wait
        # A rate may be over just now: a request that was not doubted before is sent once more before it is blamed.
        last.of_texts |= at_once
        return last.of_texts

    def _pause(self, seconds: float, failures: _Failures) -> None:
        """Wait as long as the failure asks for, and as the refusal of the harmless text does."""
        seconds, failures.pause = max(seconds, failures.pause), 0.0
        self._sleep(seconds)


def _refusal(embedder: Embedder, *, within: AbstractContextManager[None] | None = None) -> EmbedError | None:
    """Return what a harmless text is refused with, None where it gets its vector; the error ends the block `within`."""
    try:
        with within or nullcontext():
            embedder.embed_documents([CANARY])
    except EmbedError as error:
        return error
    return None


def _says_later(error: BaseException) -> bool:
    """Return whether an answer only says that there is room later: by time mostly, by what was sent sometimes.

    Proxies tell with 503 of a server that crashed over a request, and servers with 429 or 503 of more texts than they
    have places for.
    """
    if isinstance(error, RateLimited):
        return not error.retry_after
    return type(error) is TransientFailure and error.http_status is not None


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _pause_of(error: BaseException | None) -> float:
    return error.pause if isinstance(error, RateLimited) else 0.0
