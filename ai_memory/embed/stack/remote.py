"""From the settings of an endpoint to what asks it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.config import vendors
from ai_memory.config.embedding import AUTO, BASE64
from ai_memory.config.keeping import to_keep
from ai_memory.embed.buildable import require_buildable
from ai_memory.embed.flow.documented import documented_limits
from ai_memory.embed.http.deadline import Deadlines
from ai_memory.embed.http.embedder import HttpEmbedder
from ai_memory.embed.http.ollama import OllamaDialect, tag
from ai_memory.embed.http.openai import OpenAiDialect
from ai_memory.embed.http.packing import Packing
from ai_memory.embed.http.transport import Endpoint
from ai_memory.embed.local.tokens import token_count
from ai_memory.embed.stack.chain import Core
from ai_memory.memory.document import TEMPLATE_VERSION
from ai_memory.text import address
from ai_memory.vectors import space
from ai_memory.vectors.target import Target

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.http.wire import Dialect
    from ai_memory.embed.terms import Terms, Ties

DOCUMENT_PREFIX = "search_document: "
QUERY_PREFIX = "search_query: "
LOADING = 300.0
"""Seconds in which a local server has loaded its model; Ollama's own limit for that (OLLAMA_LOAD_TIMEOUT)."""
HTTP_CONCURRENCY = 32
"""Requests in flight at most where nobody says: the level finds how many help. A choice of 2026-11-23, not measured."""
OLLAMA_CONCURRENCY = 4
"""Ollama serves few requests of one model side by side and queues the rest (OLLAMA_NUM_PARALLEL)."""


def core(settings: EmbeddingSettings, terms: Terms, ties: Ties) -> Core:
    """Return what asks the configured endpoint, one request per call; nothing is sent yet.

    Raises:
        EmbedderInitFailed: what is configured is not complete, or may not be asked; the key cannot be read.
    """
    require_buildable(settings)
    target, endpoint, packing = _target(settings), _endpoint(settings), _packing(settings, ties.tell)
    limits = documented_limits(settings.base_url.value)
    usual = OLLAMA_CONCURRENCY if settings.backend.value == vendors.OLLAMA else HTTP_CONCURRENCY
    return Core(
        target=target,
        make=lambda limiter: HttpEmbedder(
            target,
            _dialect(settings),
            endpoint,
            max_batch=limits.inputs,
            limiter=limiter,
            packing=packing,
            awaited=ties.awaited,
        ),
        concurrency=terms.concurrency or usual,
        limits=limits,
        packing=packing,
        count_tokens=partial(token_counter, settings),
    )


def token_counter(settings: EmbeddingSettings) -> Callable[[str], int] | None:
    """Return what counts a document's tokens as the model does, None where its tokenizer is not in `model_path`.

    Raises:
        EmbedderInitFailed: the model's files cannot be used.
    """
    folder = settings.model_path.value if importlib.util.find_spec("tokenizers") else None
    count = token_count(folder)
    if count is None or not _prefixed(settings.model.value):
        return count
    return lambda text: count(DOCUMENT_PREFIX + text)


def deadlines(settings: EmbeddingSettings) -> Deadlines:
    """Return how long a remote endpoint is waited for.

    Longer for the first answer of one that may have its model to load before; as configured where that is said.
    """
    if seconds := settings.timeout_seconds.value:
        return Deadlines(read=seconds, total=2 * seconds, first=seconds)
    loads = settings.backend.value == vendors.OLLAMA or address.read(settings.base_url.value).is_loopback
    return Deadlines(first=LOADING) if loads else Deadlines()


def _endpoint(settings: EmbeddingSettings) -> Endpoint:
    key = settings.api_key.value
    return Endpoint(
        settings.base_url.value,
        key.reveal() if key else "",
        deadlines(settings),
        loopback_only=settings.egress.value != "allow",
    )


def _packing(settings: EmbeddingSettings, tell: Callable[[str], None] | None) -> Packing:
    if settings.backend.value == vendors.OLLAMA:
        return Packing(fixed=False)
    configured = settings.encoding_format.value
    return Packing(fixed=configured == BASE64 if configured != AUTO else None, tell=tell)


def _target(settings: EmbeddingSettings) -> Target:
    model = settings.model.value
    prefixed = _prefixed(model)
    return Target(
        space=space.space(model),
        dim=settings.dim.value or space.known_dim(model),
        backend=vendors.OLLAMA if settings.backend.value == vendors.OLLAMA else vendors.OPENAI_COMPATIBLE,
        model=model,
        document_prefix=DOCUMENT_PREFIX if prefixed else "",
        query_prefix=QUERY_PREFIX if prefixed else "",
        template_version=TEMPLATE_VERSION,
        settings=to_keep(settings),
    )


def _prefixed(model: str) -> bool:
    """Return whether a remote server wants the task's name before each text of a model."""
    return "nomic-embed" in space.model_id(model)


def _dialect(settings: EmbeddingSettings) -> Dialect:
    model, dim = settings.model.value, settings.dim.value
    if settings.backend.value != vendors.OLLAMA:
        return OpenAiDialect(model, dim)
    # Older Ollamas know no `dimensions`: it is sent only where it would change something.
    return OllamaDialect(tag(model), dim if dim != space.known_dim(model) else 0)
