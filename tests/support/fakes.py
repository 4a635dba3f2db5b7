"""Embedders with real behaviour and no weights: deterministic, comparable, and able to fail on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Event
from typing import Any

import numpy as np

from ai_memory.embed.flow.documented import DocumentedLimits
from ai_memory.embed.flow.request_size import RequestSize
from ai_memory.embed.flow.retry import RetryingEmbedder
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.port import ONE_ATTEMPT, Embedder, RetryPolicy, Stop
from ai_memory.embed.usage import Meter, Usage
from ai_memory.errors import RowsRefused
from ai_memory.vectors.target import Target, Vectors


def patient(
    inner: Embedder,
    *,
    retry_policy: RetryPolicy = ONE_ATTEMPT,
    stop: Stop | None = None,
    limits: DocumentedLimits = DocumentedLimits(),  # noqa: B008 - frozen
    **time: Any,  # noqa: ANN401 - clock and sleep
) -> SplittingEmbedder:
    """Return an embedder as commands use it, around `inner`; nothing is retried unless `retry_policy` says so."""
    retrying = RetryingEmbedder(inner, stop=stop or Event(), retry_policy=retry_policy, **time)
    return SplittingEmbedder(retrying, RequestSize(limits))


@dataclass(slots=True)
class HashEmbedder:
    """Texts that share words get near vectors; every vector depends on its text, `model` and `dim` alone.

    A text that contains `poison` is refused with the whole batch it came in. `before`, when given, is called
    with the texts of each request before it is answered: it may raise, count, or change the database.
    """

    dim: int = 16
    model: str = "hash"
    max_batch: int = 64
    concurrency: int = 1
    poison: str = ""
    dim_known: bool = True
    before: Callable[[Sequence[str]], None] | None = None
    meter: Meter = field(default_factory=Meter)

    @property
    def target(self) -> Target:
        return Target(
            space=f"fake/{self.model}#none",
            dim=self.dim if self.dim_known else 0,
            backend="fake",
            model=self.model,
            normalized=True,
        )

    def fitting(self, texts: Sequence[str]) -> int:
        return min(len(texts), self.max_batch)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        assert len(texts) <= self.max_batch
        if not texts:
            return np.zeros((0, self.target.dim), dtype=np.float32)
        self.meter.add(Usage(requests=1, texts_sent=len(texts)))
        if self.before:
            self.before(texts)
        if self.poison and any(self.poison in text for text in texts):
            raise RowsRefused("the input was refused.", http_status=400)
        self.meter.add(Usage(unreported_bytes=sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)))
        return np.stack([self.vector(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        found: Vectors = self.embed_documents([text])[0]
        return found

    def close(self) -> None:
        """There is nothing to let go of."""

    def vector(self, text: str) -> Vectors:
        """Return the vector of one text: its words' vectors added, and a little of the whole text's own."""
        parts = [self._noise(word) for word in text.lower().split()]
        total = np.sum([*parts, 0.05 * self._noise(text)], axis=0)
        unit: Vectors = (total / np.linalg.norm(total)).astype(np.float32)
        return unit

    def _noise(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        seed = blake2b(f"{self.model}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(seed, "little"))).standard_normal(self.dim)
