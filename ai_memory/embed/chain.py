"""The embedder as commands use it: divided into requests, each retried and paced by itself."""

from __future__ import annotations

from collections.abc import Sequence

from ai_memory.embed.divide import DividedEmbedder
from ai_memory.embed.factory import build
from ai_memory.embed.limits import RequestLimits
from ai_memory.embed.pace import Pace, PacedEmbedder
from ai_memory.embed.rate_headers import Left
from ai_memory.embed.retry import Patience, RetryingEmbedder, Stop
from ai_memory.embedding_settings import EmbeddingSettings
from ai_memory.vendors import limits as documented


def assemble(
    settings: EmbeddingSettings, *, stop: Stop, patience: Patience | None = None, concurrency: int | None = None
) -> DividedEmbedder:
    """Return the configured embedder; nothing is loaded or sent yet.

    `concurrency` is the number of requests in flight, None to find it by trial.

    Raises:
        NoEmbedder: the configuration has embeddings off.
        EmbedderInitFailed: what is configured cannot be built.
    """
    patience = patience or Patience()

    def hear(limits: Sequence[Left]) -> None:
        pace.hear(limits)

    built = build(settings, hear=hear)
    most = built.concurrency if built.concurrency == 1 else concurrency or built.concurrency
    pace = Pace(most=most, fixed=concurrency is not None, stop=stop, longest_wait=patience.retry_for)
    sizes = RequestLimits(documented(settings.base_url.value))
    retrying = RetryingEmbedder(PacedEmbedder(built, pace, sizes), stop=stop, patience=patience)
    return DividedEmbedder(retrying, sizes)
