"""How many requests are in flight and when the next may start: learned from the answers, shared by all threads.

Additive increase, multiplicative decrease (Chiu and Jain, 1989): doubled per round until the first sign
of trouble, then one more per round; halved on a refusal of rate, on a failure, and when requests take
twice as long as they did with few in flight. When the next may start is the rate limiter's to say.

Why not a fixed number: a local server takes two requests at a time, a vendor a hundred, and nobody tells. Why not
latency alone: the time of an answer depends on how long its texts are, so only a doubling counts, against the
quickest round. Why it is halved once per round: all requests of a round meet the same trouble, and halving for each
would leave one. Why one lock: the number, the rate and the pauses decide together, so that no request holds a place
while it waits for a rate. Why a broken answer counts as trouble: some servers mix up the answers to requests that
come side by side; such a one is left with fewer, each time for longer. Why a harmless text may pass in spite of a
pause: only that tells a server that is asked too fast from one that answers 429 to what is too large for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, get_ident

from ai_memory.embed.flow.limiter import Limiter, Remaining
from ai_memory.embed.flow.rate import RateLimiter
from ai_memory.embed.flow.request_size import RequestSize, estimated_tokens
from ai_memory.embed.flow.wrapper import Wrapper
from ai_memory.embed.port import Embedder, Stop
from ai_memory.errors import RateLimited, TransientFailure
from ai_memory.text.amounts import span
from ai_memory.vectors.target import Vectors

# Chosen 2026-11-23, CAUTION 2026-11-25; tests/embed/flow/test_concurrency.py holds them, scripts/bench-endpoint
# measures what they give.
START = 2
SLOWER = 2.0
"""A round that takes this many times the quickest round's latency says that requests only queue up."""
FORGET = 1.02
"""The quickest latency grows by this a round, so that an endpoint that became slower for good is believed."""
TICK = 0.1
LIMIT_SPENT = "The endpoint's answers say that its limit is used up."
CAUTION = 32
"""After a broken answer so many sound ones must come before more requests are sent side by side; doubled each time."""


class ConcurrencyLimiter:
    """The number of requests that may be in flight now, and the pauses that the endpoint asked for.

    `fixed` keeps it at `most` but for refusals of rate; otherwise it begins low and finds its own level. A pause
    longer than `longest_wait` seconds is refused instead of waited for.
    """

    def __init__(
        self,
        *,
        most: int,
        fixed: bool,
        stop: Stop,
        closed: Callable[[], bool] | None = None,
        sizes: RequestSize | None = None,
        longest_wait: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with `most` requests (`fixed`) or with two; `sizes` learn from the time that an answer takes.

        `stop` ends waits; `closed` says whether no further request may begin (None: as soon as `stop` came).
        """
        self._sizes = sizes
        self._most, self._fixed = most, fixed
        self._stop, self._clock = stop, clock
        self._closed = closed or stop.is_set
        self._longest_wait = longest_wait
        self._limit = float(most if fixed else min(START, most))
        self._condition = Condition()
        self._allowance = RateLimiter()
        self._in_flight = self._tokens_in_flight = 0
        self._doubling = not fixed
        self._quickest = 0.0
        self._round: list[float] = []
        self._changed_at = 0.0
        self._wary, self._caution = 0, CAUTION
        self._doubting: set[int] = set()
        self._said = ""

    @property
    def most(self) -> int:
        """How many requests may ever be in flight."""
        return self._most

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        most = self._sizes.in_flight if self._sizes else 0
        return max(min(int(self._limit), most) if most else int(self._limit), 1)

    @contextmanager
    def slot(self, texts: Sequence[str] = ()) -> Iterator[None]:
        """Hold one of the places in the block, waiting for it as long as it takes.

        Raises:
            RateLimited: the endpoint asked for a longer pause than anyone waits.
            TransientFailure: the stop came before the request could be sent.
        """
        tokens = estimated_tokens(texts)
        self._enter(tokens)
        began = self._clock()
        try:
            yield
        except RateLimited as error:
            error.pause = self._refused(began, error)
            raise
        except TransientFailure:
            with self._condition:
                self._halve(began)
            raise
        else:
            latency = self._clock() - began
            if self._sizes and texts:
                self._sizes.timed(len(texts), latency)
            self._heard(began, latency)
        finally:
            self._leave(tokens)

    def observe(self, limits: Sequence[Remaining]) -> None:
        """Record from inside a slot what its answer says is left of the endpoint's limits."""
        with self._condition:
            others = max(self._in_flight - 1, 0)
            tokens = self._tokens_in_flight * others // max(self._in_flight, 1)
            # What is foretold beyond any wait may be wrong, and only a refusal would prove it.
            near = [each for each in limits if each.seconds <= self._longest_wait]
            self._allowance.told(near, now=self._clock(), requests=others, tokens=tokens)

    def doubt(self) -> None:
        """Record that an answer was broken, maybe by the requests beside it: fewer are in flight, each time for longer.

        Some servers mix up the answers to requests that come side by side.
        """
        with self._condition:
            if self._limit > 1:
                self._doubling = False
                if not self._wary:
                    self._wary, self._caution = self._caution, 2 * self._caution
                self._move_to(self._limit / 2)

    @contextmanager
    def rate_doubted(self) -> Iterator[None]:
        """Let this thread's requests in the block wait for nothing that refusals taught; if they pass, it is forgotten.

        A real limit refuses them, too, and an error in the block leaves all as it was.
        """
        self._doubting.add(get_ident())
        try:
            yield
        finally:
            self._doubting.discard(get_ident())
        with self._condition:
            self._allowance.forget()
            self._condition.notify_all()

    def _enter(self, tokens: int) -> None:
        with self._condition:
            wait = 0.0 if self._closed() else self._wait(tokens)
            while wait and not self._stop.is_set():
                self._condition.wait(min(wait, TICK))
                wait = self._wait(tokens)
            if wait or self._closed():
                raise TransientFailure("The request was not sent, because the run is stopping.")
            self._in_flight += 1
            self._tokens_in_flight += tokens
            self._allowance.take(self._clock(), tokens=tokens)

    def _wait(self, tokens: int) -> float:
        """Return the seconds after which to look again, 0 where the request may start."""
        doubting = get_ident() in self._doubting
        waits = self._allowance.asked if doubting else self._allowance.wait
        wait = waits(self._clock(), tokens=tokens)
        if wait > self._longest_wait:
            asked = self._allowance.asked(self._clock(), tokens=tokens)
            what = f"{self._said or LIMIT_SPENT} No request is sent for {span(wait * 1000)}."
            raise RateLimited(what, tip="Run the same command again then.", retry_after=asked)
        # After a refusal one request finds out whether there is room again.
        places = 1 if self._allowance.scouting and not doubting else self.limit
        return max(wait, TICK if self._in_flight >= places else 0.0)

    def _leave(self, tokens: int) -> None:
        with self._condition:
            self._in_flight -= 1
            self._tokens_in_flight -= tokens
            self._condition.notify()

    def _refused(self, began: float, error: RateLimited) -> float:
        with self._condition:
            self._said = error.what
            pause = self._allowance.refused(self._clock(), began=began, named=error.retry_after)
            self._halve(began)
        return pause

    def _heard(self, began: float, latency: float) -> None:
        """Count one answer; after a round of them the limit moves."""
        with self._condition:
            self._said = ""
            self._allowance.accepted(self._clock(), began=began)
            if self._wary:
                self._wary -= 1
                return
            if began < self._changed_at:
                return
            self._round.append(latency)
            if len(self._round) < self.limit:
                return
            mean = sum(self._round) / len(self._round)
            self._round.clear()
            self._quickest = min(self._quickest * FORGET, mean) if self._quickest else mean
            if mean >= SLOWER * self._quickest and not self._fixed:
                self._halve(began)
            else:
                self._move_to(self._limit * 2 if self._doubling else self._limit + 1)

    def _halve(self, began: float) -> None:
        # Requests sent before the last change say nothing about the level it went to.
        if began >= self._changed_at:
            self._doubling = False
            self._move_to(self._limit / 2)

    def _move_to(self, limit: float) -> None:
        limit = min(max(limit, 1.0), float(self._most))
        if limit != self._limit:
            self._limit = limit
            self._changed_at = self._clock()
            self._round.clear()
            self._condition.notify_all()


class LimitedEmbedder(Wrapper):
    """An embedder whose calls are the requests of a pace: for one that has no gate of its own."""

    def __init__(self, inner: Embedder, pace: Limiter) -> None:
        """Wrap `inner`."""
        super().__init__(inner)
        self._pace = pace

    @property
    def concurrency(self) -> int:
        """How many calls may usefully run at once, now."""
        return self._pace.limit

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedError: the inner one's; `TransientFailure` also when the stop came first.
        """
        with self._pace.slot(texts):
            return self._inner.embed_documents(texts)

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: see `embed_documents`.
        """
        with self._pace.slot():
            return self._inner.embed_query(text)
