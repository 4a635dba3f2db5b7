"""How many requests are in flight and when the next may start: learned from the answers, shared by all threads.

Why not the obvious:
- A semaphore of a fixed size is right for one endpoint at one hour. How many are in flight is the level's to say
  (`level`), when the next may start the rate limiter's (`rate`), how many texts it carries the sizes' (`request_size`):
  three quantities, for an endpoint that refuses 8 at once may take one after the other, or the same 8 a minute later.
- Level and rate are asked and taught under ONE lock: between two of them another thread could start the request that
  the rate allows once. The sizes have their own, which is never taken inside this one.
- Whoever waits looks again after a TICK, because neither a stop nor the end of a pause wakes anybody.
- After a refusal one request finds out whether there is room again: all of them at once would be refused together.
- A harmless text may pass in spite of a pause: only that tells a server that is asked too fast from one that answers
  429 to what is too large for it.
- A pause longer than anyone waits is an error at once, in the endpoint's own words, and not a run that seems to hang.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, get_ident
from typing import TYPE_CHECKING

from ai_memory.embed.flow.level import Level
from ai_memory.embed.flow.rate import RateLimiter
from ai_memory.embed.flow.request_size import RequestSize, estimated_tokens
from ai_memory.embed.flow.wrapper import Wrapper
from ai_memory.errors import RateLimited, TransientFailure
from ai_memory.frozen import Frozen
from ai_memory.text.amounts import span

if TYPE_CHECKING:
    from ai_memory.embed.flow.limiter import Limiter, Remaining
    from ai_memory.embed.port import Embedder, Stop
    from ai_memory.vectors.target import Vectors

TICK = 0.1
"""Seconds after which whoever waits looks again: a stop is obeyed within it. A choice of 2026-11-23, not measured."""
LIMIT_SPENT = "The endpoint's answers say that its limit is used up."


class _InFlight(Frozen):
    """The requests that were sent and not answered yet, and the tokens in them."""

    requests: int = 0
    tokens: int = 0

    def and_one(self, tokens: int) -> _InFlight:
        return _InFlight(self.requests + 1, self.tokens + tokens)

    def less_one(self, tokens: int) -> _InFlight:
        return _InFlight(self.requests - 1, self.tokens - tokens)

    def beside_one(self) -> _InFlight:
        """Return what is in flight beside one of them, of which is not known how many tokens it has."""
        others = max(self.requests - 1, 0)
        return _InFlight(others, self.tokens * others // max(self.requests, 1))


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
        """Begin with `most` requests (`fixed`) or with few; `sizes` learn from the time that an answer takes.

        `stop` ends waits; `closed` says whether no further request may begin (None: as soon as `stop` came).
        """
        self._sizes = sizes
        self._stop, self._clock = stop, clock
        self._closed = closed or stop.is_set
        self._longest_wait = longest_wait
        self._condition = Condition()
        self._level = Level(most, fixed=fixed)
        self._rate = RateLimiter()
        self._in_flight = _InFlight()
        self._doubting: set[int] = set()
        self._said: tuple[str, str] | None = None

    @property
    def most(self) -> int:
        """How many requests may ever be in flight."""
        return self._level.most

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        most = self._sizes.in_flight if self._sizes else 0
        return max(min(int(self._level.now), most) if most else int(self._level.now), 1)

    @contextmanager
    def slot(self, texts: Sequence[str] = ()) -> Iterator[float]:
        """Hold one of the places in the block, waiting for it as long as it takes; yield the seconds due to the rate.

        Raises:
            RateLimited: the endpoint asked for a longer pause than anyone waits.
            TransientFailure: the stop came before the request could be sent.
        """
        tokens = estimated_tokens(texts)
        paced = self._enter(tokens)
        began = self._clock()
        try:
            yield paced
        except RateLimited as error:
            error.pause = self._refused(began, error)
            raise
        except TransientFailure:
            with self._condition:
                self._wake(moved=self._level.failed(began, self._clock()))
            raise
        else:
            latency = self._clock() - began
            if self._sizes and texts:
                self._sizes.timed(len(texts), latency)
            self._heard(began, latency, tokens)
        finally:
            self._leave(tokens)

    def observe(self, limits: Sequence[Remaining]) -> None:
        """Record from inside a slot what its answer says is left of the endpoint's limits."""
        with self._condition:
            others = self._in_flight.beside_one()
            # What is foretold beyond any wait may be wrong, and only a refusal would prove it.
            near = [each for each in limits if each.seconds <= self._longest_wait]
            self._rate.learn(near, now=self._clock(), requests=others.requests, tokens=others.tokens)

    def doubt(self) -> None:
        """Record a broken answer, maybe due to the requests beside it: fewer are in flight, for a longer time each.

        Some servers mix up the answers to requests that come side by side.
        """
        with self._condition:
            self._wake(moved=self._level.doubted(self._clock()))

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
            self._rate.forget()
            self._condition.notify_all()

    def _enter(self, tokens: int) -> float:
        """Wait for a place, and return for how many seconds the rate was what it waited for."""
        paced, now = 0.0, self._clock()
        with self._condition:
            wait = 0.0 if self._closed() else self._wait(tokens)
            while wait and not self._stop.is_set():
                by_rate = self._rate.wait(now, tokens=tokens) > 0
                self._condition.wait(min(wait, TICK))
                before, now = now, self._clock()
                paced += now - before if by_rate else 0.0
                wait = self._wait(tokens)
            if wait or self._closed():
                raise TransientFailure("The request was not sent, because the run is stopping.")
            self._in_flight = self._in_flight.and_one(tokens)
            self._rate.take(self._clock(), tokens=tokens)
        return paced

    def _wait(self, tokens: int) -> float:
        """Return the seconds after which to look again, 0 where the request may start."""
        doubting = get_ident() in self._doubting
        waits = self._rate.asked if doubting else self._rate.wait
        wait = waits(self._clock(), tokens=tokens)
        if wait > self._longest_wait:
            asked = self._rate.asked(self._clock(), tokens=tokens)
            what, reason = self._said or (LIMIT_SPENT, RateLimited.reason)
            refused = RateLimited(what, tip="Run the same command again then.", retry_after=asked)
            refused.reason, refused.when = reason, f"The endpoint is asked again in {span(wait * 1000)}."
            raise refused
        # After a refusal one request finds out whether there is room again.
        places = 1 if self._rate.scouting and not doubting else self.limit
        return max(wait, TICK if self._in_flight.requests >= places else 0.0)

    def _leave(self, tokens: int) -> None:
        with self._condition:
            self._in_flight = self._in_flight.less_one(tokens)
            self._condition.notify()

    def _refused(self, began: float, error: RateLimited) -> float:
        with self._condition:
            self._said = error.what, error.reason
            pause = self._rate.refused(self._clock(), began=began, named=error.retry_after)
            self._wake(moved=self._level.failed(began, self._clock()))
        return pause

    def _heard(self, began: float, latency: float, tokens: int) -> None:
        with self._condition:
            if not self._rate.asked(self._clock(), tokens=0):
                # Else it was on its way when a refusal came, whose words still hold.
                self._said = None
            self._rate.accepted(self._clock(), began=began)
            now = self._clock()
            self._wake(moved=self._level.answered(began, latency, a_round=self.limit, now=now, tokens=tokens))

    def _wake(self, *, moved: bool) -> None:
        if moved:
            self._condition.notify_all()


class LimitedEmbedder(Wrapper):
    """An embedder whose calls are the requests of a limiter: for one that asks none itself."""

    def __init__(self, inner: Embedder, limiter: Limiter) -> None:
        """Wrap `inner`."""
        super().__init__(inner)
        self._limiter = limiter

    @property
    def concurrency(self) -> int:
        """How many calls may usefully run at once, now."""
        return self._limiter.limit

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedError: the inner one's; `TransientFailure` also when the stop came first.
        """
        with self._limiter.slot(texts):
            return self._inner.embed_documents(texts)

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: see `embed_documents`.
        """
        with self._limiter.slot():
            return self._inner.embed_query(text)
