"""Divides a batch into requests that are not too large, and learns from the answers how large that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ai_memory.embed.embedder import Vectors
from ai_memory.embed.limits import RequestLimits
from ai_memory.embed.retry import Patience, RetryingEmbedder
from ai_memory.embed.spending import Spending
from ai_memory.embed.wrapped import Wrapped
from ai_memory.errors import AnswerLate, RequestTooLarge, RowsRefused


class DividedEmbedder(Wrapped):
    """An embedder whose batches are cut into requests, each retried and paced by itself.

    A request that is refused for its size, or that is late, goes again in smaller ones: each step makes it
    smaller by half or more, so that an endpoint which does not answer at all gets few of them.
    """

    def __init__(self, inner: RetryingEmbedder, limits: RequestLimits, spending: Spending | None = None) -> None:
        """Wrap `inner`; `limits` and `spending` are shared by everyone who asks the same endpoint."""
        super().__init__(inner)
        self.spending = spending or Spending(inner.meter)
        self._retrying = inner
        self._limits = limits

    @property
    def max_batch(self) -> int:
        """The most texts one request may carry, as far as is known now."""
        return min(self._inner.max_batch, self._limits.inputs)

    def fitting(self, texts: Sequence[str]) -> int:
        """Return how many of the first `texts` one request may carry, as far as is known now."""
        return min(self._inner.fitting(texts), self._limits.fitting(texts))

    def with_patience(self, patience: Patience) -> DividedEmbedder:
        """Return the same embedder with another patience."""
        return DividedEmbedder(self._retrying.with_patience(patience), self._limits, self.spending)

    def learned(self) -> dict[str, int]:
        """Return what was learned of the endpoint's limits: plain numbers by name."""
        return self._limits.learned()

    def restore(self, learned: Mapping[str, int]) -> None:
        """Take over what an earlier process learned."""
        self._limits.restore(learned)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`: float32, shape (n, dim), rows in the order of texts.

        Raises:
            EmbedError: of the first request that failed.
        """
        parts: list[Vectors] = []
        rest = list(texts)
        while rest:
            request = rest[: self.fitting(rest)]
            try:
                parts.append(self._ask(request))
            except (RequestTooLarge, AnswerLate) as error:
                if len(request) == 1:
                    raise
                self._learn(error, request)
            else:
                rest = rest[len(request) :]
        return np.concatenate(parts) if parts else self._inner.embed_documents([])

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a search query: float32, shape (dim,).

        Raises:
            EmbedError: see `embed_documents`.
        """
        return self._inner.embed_query(text)

    def _ask(self, request: Sequence[str]) -> Vectors:
        try:
            vectors = self._inner.embed_documents(request)
        except RequestTooLarge:
            raise
        except RowsRefused:
            self._limits.refused(request)
            raise
        self._limits.passed(request)
        return vectors

    def _learn(self, error: RequestTooLarge | AnswerLate, request: Sequence[str]) -> None:
        if isinstance(error, RequestTooLarge):
            self._limits.too_large(error, request)
        else:
            self._limits.late(len(request))
