"""The one way to an embedder: divided into requests, each retried and paced by itself."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from ai_memory import address
from ai_memory.embed.divide import DividedEmbedder
from ai_memory.embed.embedder import Target
from ai_memory.embed.factory import build, most_in_flight, token_counter
from ai_memory.embed.gate import OpenGate
from ai_memory.embed.limits import RequestLimits
from ai_memory.embed.pace import Pace, PacedEmbedder
from ai_memory.embed.packing import Packing, PackingEmbedder
from ai_memory.embed.port import Patience, PatientEmbedder, Stop
from ai_memory.embed.prompt import PromptEmbedder, Wait
from ai_memory.embed.retry import RetryingEmbedder
from ai_memory.embed.spending import Spending, SpendingEmbedder, TokenLimit
from ai_memory.embed.told_gate import ToldGate
from ai_memory.embedding_settings import AUTO, BASE64, EmbeddingSettings
from ai_memory.vendors import LOCAL, OLLAMA
from ai_memory.vendors import limits as documented

QUICK = Patience(retry_for=5.0, attempts=3, rate_for=5.0)
PERSON_WAITS = 10.0
"""Seconds that somebody at a terminal, or an agent in a conversation, waits for a vector."""


def target(settings: EmbeddingSettings) -> Target:
    """Return what is known of the configured target; nothing is loaded or sent.

    Raises:
        NoEmbedder, EmbedderInitFailed: see `assemble`.
    """
    return build(settings, gate=OpenGate(1)).target


def assemble_prompt(settings: EmbeddingSettings) -> PatientEmbedder:
    """Return the configured embedder for somebody who waits: an endpoint has ten seconds, whatever it does.

    A local model has the time it takes.

    Raises:
        NoEmbedder, EmbedderInitFailed: see `assemble`.
    """
    stop = Event()
    embedder = assemble(settings, stop=stop, patience=QUICK)
    if settings.backend.value == LOCAL:
        return embedder
    return PromptEmbedder(embedder, Wait.begin(address.read(settings.base_url.value).shown, PERSON_WAITS, stop))


def assemble(  # noqa: PLR0913 - all that an embedder is made of
    settings: EmbeddingSettings,
    *,
    stop: Stop | None = None,
    closed: Callable[[], bool] | None = None,
    patience: Patience | None = None,
    concurrency: int | None = None,
    limit: TokenLimit | None = None,
    tell: Callable[[str], None] | None = None,
    trace: Callable[[str], None] | None = None,
) -> DividedEmbedder:
    """Return the configured embedder; nothing is loaded or sent yet.

    `stop` ends its waits, and no request begins while it is `closed` (None: once `stop` came). `concurrency` is the
    number of requests in flight, None to find it by trial. `limit` is what may be spent. `tell` is told what a person
    should know of the endpoint, `trace` of each request, from any thread.

    Raises:
        NoEmbedder: the configuration has embeddings turned off.
        EmbedderInitFailed: what is configured cannot be built.
    """
    patience, stop = patience or Patience(), stop or Event()
    sizes = RequestLimits(documented(settings.base_url.value))
    local = settings.backend.value == LOCAL
    most = 1 if local else concurrency or most_in_flight(settings)
    fixed, longest = concurrency is not None, patience.longest_wait
    pace = Pace(most=most, fixed=fixed, stop=stop, closed=closed, sizes=sizes, longest_wait=longest)
    gate, packing = ToldGate(pace, trace) if trace else pace, _packing(settings, tell)
    built = build(settings, gate=gate, packing=packing)
    paced = PacedEmbedder(built, gate) if local else built
    # Loading a tokenizer takes time that only a limit of tokens needs.
    count = token_counter(settings) if limit else None
    spending = Spending(built.meter, limit, prefix=built.target.document_prefix, count_tokens=count)
    asking = PackingEmbedder(SpendingEmbedder(paced, spending), packing)
    retrying = RetryingEmbedder(asking, stop=stop, patience=patience)
    return DividedEmbedder(retrying, sizes, spending)


def _packing(settings: EmbeddingSettings, tell: Callable[[str], None] | None) -> Packing:
    if settings.backend.value in (LOCAL, OLLAMA):
        return Packing(fixed=False)
    configured = settings.encoding_format.value
    return Packing(fixed=configured == BASE64 if configured != AUTO else None, tell=tell)
