"""The embedder as commands use it: divided into requests, each retried and paced by itself."""

from __future__ import annotations

from ai_memory.embed.divide import DividedEmbedder
from ai_memory.embed.factory import build, most_in_flight
from ai_memory.embed.limits import RequestLimits
from ai_memory.embed.pace import Pace, PacedEmbedder
from ai_memory.embed.retry import Patience, RetryingEmbedder, Stop
from ai_memory.embed.spending import Spending, SpendingEmbedder, TokenLimit
from ai_memory.embedding_settings import EmbeddingSettings
from ai_memory.vendors import LOCAL
from ai_memory.vendors import limits as documented


def assemble(
    settings: EmbeddingSettings,
    *,
    stop: Stop,
    patience: Patience | None = None,
    concurrency: int | None = None,
    limit: TokenLimit | None = None,
) -> DividedEmbedder:
    """Return the configured embedder; nothing is loaded or sent yet.

    `concurrency` is the number of requests in flight, None to find it by trial. `limit` is what may be spent.

    Raises:
        NoEmbedder: the configuration has embeddings off.
        EmbedderInitFailed: what is configured cannot be built.
    """
    patience = patience or Patience()
    sizes = RequestLimits(documented(settings.base_url.value))
    local = settings.backend.value == LOCAL
    most = 1 if local else concurrency or most_in_flight(settings)
    pace = Pace(most=most, fixed=concurrency is not None, stop=stop, sizes=sizes, longest_wait=patience.retry_for)
    built = build(settings, gate=pace)
    paced = PacedEmbedder(built, pace) if local else built
    spending = Spending(built.meter, limit, prefix=built.target.document_prefix)
    retrying = RetryingEmbedder(SpendingEmbedder(paced, spending), stop=stop, patience=patience)
    return DividedEmbedder(retrying, sizes, spending)
