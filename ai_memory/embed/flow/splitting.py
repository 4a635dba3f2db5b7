"""Divides a batch into requests that are not too large, and finds the texts of a request that get no vector.

A request that is refused, or over which the endpoint breaks down, is too large, or a text in it is bad: it is halved,
down to single texts. Where all of them pass it was too large, which is learned; a text that fails alone is told with
its error, for the caller to judge. One bad text among n costs at most 2*ceil(log2(n)) more requests.

Whether it is the endpoint's own fault only a harmless text can tell: where that is likely it is asked once before a
batch is halved, for an endpoint that is away gets no more requests than it must.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.flow.token_budget import TokenBudget
from ai_memory.embed.flow.wrapper import Wrapper
from ai_memory.errors import (
    AnswerLate,
    AnswerViolation,
    Breakdown,
    BudgetSpent,
    EmbedError,
    OneVector,
    RequestTooLarge,
    VectorsBroken,
)
from ai_memory.vectors.witness import CANARY

if TYPE_CHECKING:
    from ai_memory.embed.flow.request_size import RequestSize
    from ai_memory.embed.flow.retry import RetryingEmbedder
    from ai_memory.embed.port import RetryPolicy
    from ai_memory.vectors.target import Vectors

ABSENT = frozenset({*range(201, 400), 404, 405, 410, 501})
"""With these an endpoint mostly says that it is not there any more, and only seldom that it dislikes a text."""
ONE_VECTOR = "The endpoint sends one vector for several texts: one text per request from now on."


class SplittingEmbedder(Wrapper):
    """An embedder whose batches are cut into requests, each retried and paced by itself.

    A request that is refused for its size, or that is late, goes again in smaller ones: each step makes it
    smaller by half or more, so that an endpoint which does not answer at all gets few of them.
    """

    def __init__(
        self,
        inner: RetryingEmbedder,
        limits: RequestSize,
        spending: TokenBudget | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Wrap `inner`; `limits` and `spending` are shared by everyone who asks the same endpoint.

        `tell` is told where it is asked for one text per request from now on.
        """
        super().__init__(inner)
        self._tell = tell
        self.spending = spending or TokenBudget(inner.meter)
        self._retrying = inner
        self._limits = limits

    @property
    def max_batch(self) -> int:
        """The most texts one request may carry, as far as is known now."""
        return min(self._inner.max_batch, self._limits.inputs)

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one request may carry, as far as is known now."""
        return min(self._inner.fitting(texts), self._limits.fitting(texts))

    def with_retry_policy(self, retry_policy: RetryPolicy) -> SplittingEmbedder:
        """Return the same embedder with another retry policy."""
        return SplittingEmbedder(
            self._retrying.with_retry_policy(retry_policy), self._limits, self.spending, self._tell
        )

    def at_once(self) -> SplittingEmbedder:
        """Return the same embedder that does not retry what may be its texts' fault."""
        return SplittingEmbedder(self._retrying.at_once(), self._limits, self.spending, self._tell)

    def learned(self) -> dict[str, int]:
        """Return what was learned of the endpoint's limits: plain numbers by name."""
        return self._limits.learned()

    def restore(self, learned: Mapping[str, int]) -> None:
        """Take over what an earlier process learned."""
        self._limits.restore(learned)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedError: of the first request that failed, or of the first text that got no vector alone.
        """
        found: list[Vectors] = []
        for outcome in self.each(texts):
            if isinstance(outcome, EmbedError):
                raise outcome
            found.append(outcome)
        return np.stack(found) if found else self._inner.embed_documents([])

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: see `embed_documents`.
        """
        return self._inner.embed_query(text)

    def each(self, texts: Sequence[str]) -> Iterator[Vectors | EmbedError]:
        """Yield what became of each text, in order: its vector, float32, shape (dim,), or why it got none alone.

        Raises:
            EmbedError: a request failed in a way that says nothing about its texts.
        """
        rest = list(texts)
        while rest:
            # Asked anew for each request: it may have become smaller, or larger.
            request = rest[: self.fitting(rest)]
            yield from self._outcomes(request)
            rest = rest[len(request) :]

    def _outcomes(self, request: Sequence[str]) -> Iterator[Vectors | EmbedError]:
        answer = self._ask(request)
        if not isinstance(answer, EmbedError):
            yield from answer
        elif isinstance(answer, VectorsBroken):
            yield from self._mended(request, answer)
        elif len(request) == 1:
            self._limits.refused(request)
            yield answer
        elif self._learned_from(answer, request):
            yield from self.each(request)
        else:
            self._limits.refused(request, answer)
            yield from self._halves(request, answer)

    def _ask(self, request: Sequence[str]) -> Vectors | EmbedError:
        """Return the vectors of a request, or the error that may be its size's or a text's fault."""
        try:
            vectors = self._inner.embed_documents(request)
        except EmbedError as error:
            if not error.of_texts and not (isinstance(error, AnswerLate) and len(request) > 1):
                raise
            if _hung_up(error) and not error.harmless_passed and list(request) != [CANARY]:
                # Who asks a server that crashed over a text at once hears nothing of any text.
                error.harmless_passed = self._retrying.harmless_passes_after_restart()
                if not error.harmless_passed:
                    raise
            return error
        self._limits.passed(request)
        return vectors

    def _learned_from(self, error: EmbedError, request: Sequence[str]) -> bool:
        """Learn a smaller size where nothing else can be meant; return whether it is smaller."""
        if isinstance(error, AnswerLate):
            self._limits.late(len(request))
            return True
        return isinstance(error, RequestTooLarge) and self._limits.learn(error, request)

    def _halves(self, request: Sequence[str], error: EmbedError) -> Iterator[Vectors | EmbedError]:
        # Beside a request that was told to come later, a harmless text passed.
        parts = self.at_once() if error.harmless_passed else self
        likely = isinstance(error, Breakdown | AnswerViolation) or error.http_status in ABSENT
        if likely and not self._retrying.is_at_once:
            if error.harmless_passed is None:
                error.harmless_passed = self._retrying.harmless_passes()
            if not error.harmless_passed:
                raise error
            parts = self.at_once()
            if isinstance(error, OneVector) and len(request) > 2:
                # Of two texts one may be missing. Halving many would tell the same in twice as many requests.
                self._limits.restore({"inputs": 1})
                if self._tell:
                    self._tell(ONE_VECTOR)
                yield from parts.each(request)
                return
        middle = (len(request) + 1) // 2
        yield from parts.each(request[:middle])
        yield from parts.each(request[middle:])

    def _mended(self, request: Sequence[str], error: VectorsBroken) -> Iterator[Vectors | EmbedError]:
        """Yield the sound vectors of an answer, and what becomes of the other texts by themselves."""
        broken = [request[position] for position in error.broken]
        self._limits.refused(request, error, pending=broken)
        self._limits.passed([text for text in request if text not in broken])
        outcomes: list[Vectors | EmbedError] = []
        with suppress(BudgetSpent):
            # What was paid for is kept, also where nothing is left to ask again.
            outcomes += self.at_once().each(broken)
        outcomes += [error] * (len(broken) - len(outcomes))
        again = dict(zip(error.broken, outcomes, strict=True))
        for position, vector in enumerate(error.vectors):
            yield again.get(position, vector)


def _hung_up(error: EmbedError) -> bool:
    return isinstance(error, Breakdown) and error.http_status is None
