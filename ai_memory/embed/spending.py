"""What an invocation may spend on an endpoint, in tokens: asked before each request, also the probe and every retry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from ai_memory.embed.embedder import Embedder, Meter, Vectors
from ai_memory.embed.limits import utf8_size
from ai_memory.embed.wrapped import Wrapped
from ai_memory.errors import AnswerViolation, BudgetSpent, EmbedError

FIRST_RATIO = 0.5
"""Tokens a byte until the endpoint has reported some: twice what English text has, so that no limit is crossed."""
MARGIN = 1.2
"""How much denser than the texts so far the next ones may be."""


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """At most `most` tokens, by the flag `flag`; `count_tokens` is the target's own tokenizer where it is at hand."""

    most: int
    flag: str = "max-tokens"
    count_tokens: Callable[[str], int] | None = None


class Spending:
    """Counts what requests cost, for any thread; without a limit nothing is estimated.

    A request costs what the endpoint reports; where it reports nothing, or its answer is lost, what was estimated.
    """

    def __init__(self, meter: Meter, limit: TokenLimit | None = None) -> None:
        """Begin with nothing spent; the endpoint's reports are read from `meter`."""
        self.limit = limit
        self._meter = meter
        self._in_flight = self._in_doubt = self._answered = self._answered_bytes = 0
        self._lock = Lock()

    def estimate(self, texts: Sequence[str]) -> int:
        """Return about how many tokens `texts` have, rather more; 0 without a limit."""
        if self.limit is None:
            return 0
        if self.limit.count_tokens:
            return sum(map(self.limit.count_tokens, texts))
        reported, size = self._meter.tokens, self._answered_bytes
        ratio = MARGIN * reported / size if reported and size else FIRST_RATIO
        return sum(int(utf8_size(text) * ratio) + 1 for text in texts)

    def allows(self, tokens: int) -> bool:
        """Say whether so many tokens more, beside what was spent, are within the limit."""
        return self.limit is None or self._spent() + tokens <= self.limit.most

    @contextmanager
    def request(self, texts: Sequence[str]) -> Iterator[None]:
        """Hold what one request may cost while it is in flight, and count what it cost.

        Raises:
            BudgetSpent: it might cross the limit, and must not be sent.
        """
        if self.limit is None:
            yield
            return
        tokens = self._reserve(texts, self.limit)
        try:
            yield
        except EmbedError as error:
            if error.in_doubt or isinstance(error, AnswerViolation):
                with self._lock:
                    self._in_doubt += tokens
            raise
        else:
            with self._lock:
                self._answered += tokens
                self._answered_bytes += sum(map(utf8_size, texts))
        finally:
            with self._lock:
                self._in_flight -= tokens

    def _reserve(self, texts: Sequence[str], limit: TokenLimit) -> int:
        tokens = self.estimate(texts)
        with self._lock:
            if not self.allows(self._in_flight + tokens):
                spent = self._spent() + self._in_flight
                raise BudgetSpent(
                    f"About {spent:,} tokens are spent; the next request, of about {tokens:,}, might cross "
                    f"the {limit.most:,} that --{limit.flag} allows.",
                    tip="Go on with: ai-memory reembed --resume",
                    flag=limit.flag,
                )
            self._in_flight += tokens
        return tokens

    def _spent(self) -> int:
        return (self._meter.tokens or self._answered) + self._in_doubt


class SpendingEmbedder(Wrapped):
    """An embedder whose calls are requests that `spending` allows or not."""

    def __init__(self, inner: Embedder, spending: Spending) -> None:
        """Wrap `inner`."""
        super().__init__(inner)
        self._spending = spending

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            BudgetSpent: the request was not sent.
            EmbedError: the inner one's.
        """
        with self._spending.request(texts):
            return self._inner.embed_documents(texts)

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: see `embed_documents`.
        """
        with self._spending.request([text]):
            return self._inner.embed_query(text)
