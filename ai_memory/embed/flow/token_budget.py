"""What an invocation may spend on an endpoint, in tokens: asked before each request, also the probe and every retry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from threading import Condition
from typing import TYPE_CHECKING

from ai_memory.embed.flow.request_size import most_tokens
from ai_memory.embed.flow.wrapper import Wrapper
from ai_memory.errors import BudgetSpent, EmbedError
from ai_memory.text.utf8 import utf8_size

if TYPE_CHECKING:
    from ai_memory.embed.port import Embedder, TokenLimit
    from ai_memory.embed.usage import Meter
    from ai_memory.vectors.target import Vectors

UNREPORTED = 0.5
"""Tokens per byte of texts whose endpoint reports none: twice what English has (see `request_size`).

A choice of 2026-11-24, not measured."""


class TokenBudget:
    """Counts what requests cost, for any thread; without a limit nothing is estimated.

    A request costs what the endpoint reports. What it may cost is known beforehand only by the model's own tokenizer,
    else as a bound, see `most_tokens`. `prefix` is what the embedder puts before each text, `count_tokens` the target's
    own tokenizer where it is at hand.
    """

    def __init__(
        self,
        meter: Meter,
        limit: TokenLimit | None = None,
        *,
        prefix: str = "",
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        """Begin with nothing spent; the endpoint's reports are read from `meter`."""
        self.limit = limit
        self._count_tokens = count_tokens
        self._meter = meter
        self._prefix = utf8_size(prefix)
        self._in_flight = self._in_doubt = 0
        self._settled = Condition()

    @property
    def spent(self) -> int:
        """Tokens spent so far: those reported, an estimate of those that were not, all of what is in doubt."""
        spent = self._meter.spent
        return spent.tokens + ceil(UNREPORTED * spent.unreported_bytes) + self._in_doubt

    def most(self, texts: Sequence[str]) -> int:
        """Return how many tokens `texts` can have at most; 0 without a limit."""
        if self.limit is None:
            return 0
        if self._count_tokens:
            return sum(map(self._count_tokens, texts))
        return most_tokens(texts) + len(texts) * self._prefix

    def allows(self, tokens: int) -> bool:
        """Return whether so many tokens more, beside what was spent, are within the limit."""
        return self.limit is None or self.spent + tokens <= self.limit.most

    @contextmanager
    def request(self, texts: Sequence[str]) -> Iterator[None]:
        """Hold what one request may cost while it is in flight, and count what it cost.

        Where it might cross the limit because of others in flight, what those really cost is waited for.

        Raises:
            BudgetSpent: it might cross the limit by itself, and must not be sent.
        """
        if self.limit is None:
            yield
            return
        tokens = self._reserve(texts, self.limit)
        in_doubt = 0
        try:
            yield
        except EmbedError as error:
            in_doubt = tokens if error.in_doubt else 0
            raise
        finally:
            with self._settled:
                self._in_flight -= tokens
                self._in_doubt += in_doubt
                self._settled.notify_all()

    def _reserve(self, texts: Sequence[str], limit: TokenLimit) -> int:
        tokens = self.most(texts)
        with self._settled:
            self._settled.wait_for(lambda: not self._in_flight or self.allows(self._in_flight + tokens))
            if not self.allows(self._in_flight + tokens):
                raise BudgetSpent(
                    f"About {self.spent:,} tokens are spent; the next request, of at most {tokens:,}, might cross "
                    f"the {limit.most:,} that --{limit.flag} allows.",
                    flag=limit.flag,
                )
            self._in_flight += tokens
        return tokens


class BudgetedEmbedder(Wrapper):
    """An embedder whose calls are requests that `spending` allows or not."""

    def __init__(self, inner: Embedder, spending: TokenBudget) -> None:
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
