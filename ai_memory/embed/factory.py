"""From the resolved settings to an embedder, or to a refusal that names what cannot be built."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from ai_memory import address, vendors
from ai_memory.embed import model_folder, space
from ai_memory.embed.dialect import Dialect
from ai_memory.embed.embedder import Target
from ai_memory.embed.engine_torch import TorchEngine, require_library
from ai_memory.embed.gate import Gate
from ai_memory.embed.http import HttpEmbedder
from ai_memory.embed.local import LocalEmbedder, cached_folder, token_count
from ai_memory.embed.ollama import OllamaDialect, tag
from ai_memory.embed.openai import OpenAiDialect
from ai_memory.embed.packing import Packing
from ai_memory.embed.port import Embedder, ModelFacts
from ai_memory.embed.transport import Deadlines, Endpoint
from ai_memory.embedding_settings import KEYWORD, EmbeddingSettings
from ai_memory.errors import EmbedderInitFailed, NoEmbedder
from ai_memory.settings import keep_off_model_hub

DOCUMENT_PREFIX = "search_document: "
QUERY_PREFIX = "search_query: "
LOADING = 300.0
"""Seconds in which a local server has loaded its model; Ollama's own limit for that (OLLAMA_LOAD_TIMEOUT)."""
HTTP_CONCURRENCY = 32
OLLAMA_CONCURRENCY = 4
"""Ollama serves few requests of one model side by side and queues the rest (OLLAMA_NUM_PARALLEL)."""


def most_in_flight(settings: EmbeddingSettings) -> int:
    """Return how many requests a remote backend may be asked at once, where nobody says another number."""
    return OLLAMA_CONCURRENCY if settings.backend.value == vendors.OLLAMA else HTTP_CONCURRENCY


def build(settings: EmbeddingSettings, *, gate: Gate, packing: Packing | None = None) -> Embedder:
    """Return the configured embedder, one attempt a call: what commands use is assembled from it in `chain`.

    Neither a model is loaded nor a request sent. Requests to a remote endpoint pass `gate` and ask as `packing` says.

    Raises:
        NoEmbedder: the tier has embeddings turned off.
        EmbedderInitFailed: what is configured cannot be built; nothing else is taken instead.
    """
    if settings.tier.value == KEYWORD or settings.backend.value == vendors.NO_BACKEND:
        raise NoEmbedder(
            f"the tier {settings.tier.value} ({settings.tier.source}) has embeddings turned off.",
            tip='Set tier = "semantic" in config.toml.',
        )
    return _local(settings) if settings.backend.value == vendors.LOCAL else _remote(settings, gate, packing)


def token_counter(settings: EmbeddingSettings) -> Callable[[str], int] | None:
    """Return what counts a document's tokens as the target does, None where its tokenizer is not on this machine.

    That of a remote model is looked for in `model_path` only.

    Raises:
        EmbedderInitFailed: the model's files cannot be used.
    """
    if settings.backend.value == vendors.LOCAL:
        require_library()
        folder = _folder(settings)
    else:
        folder = settings.model_path.value if importlib.util.find_spec("tokenizers") else None
    count = token_count(folder) if folder else None
    if count is None or settings.backend.value == vendors.LOCAL or not _prefixed(settings.model.value):
        return count
    return lambda text: count(DOCUMENT_PREFIX + text)


def _prefixed(model: str) -> bool:
    """Return whether a remote server wants the task's name before each text of a model."""
    return "nomic-embed" in space.model_id(model)


def _local(settings: EmbeddingSettings) -> Embedder:
    require_library()
    offline = _off_the_hub(settings)
    folder, named = _folder(settings), settings.model.value
    if folder is None and offline:
        raise EmbedderInitFailed(
            f"the model {named} ({settings.model.source}) is not on this machine and may not be downloaded.",
            tip="Set [embeddings].model_path to its folder, or download it once without AI_MEMORY_EMBED_OFFLINE.",
        )
    facts = model_folder.inspect(folder) if folder else None
    target = Target(
        space=space.local_space(named) if named or not folder else _folder_space(folder),
        dim=_local_dim(settings, facts),
        backend=vendors.LOCAL,
        model=named or (folder.name if folder else ""),
        normalized=bool(facts and (facts.normalized or 0 < settings.dim.value < facts.dim)),
        max_tokens=facts.max_tokens if facts else 0,
    )
    engine = TorchEngine(str(folder or named), device=settings.device.value, offline=offline or bool(folder))
    return LocalEmbedder(target, engine)


def _off_the_hub(settings: EmbeddingSettings) -> bool:
    """Return whether the model hub may not be asked: it is a host like any other, under the egress policy."""
    return settings.offline.value or settings.egress.value != "allow"


def _folder(settings: EmbeddingSettings) -> Path | None:
    """Return where the model's files lie on this machine, None where they do not."""
    if settings.model_path.value:
        return settings.model_path.value
    if _off_the_hub(settings):
        keep_off_model_hub()
    return cached_folder(settings.model.value)


def _folder_space(folder: Path) -> str:
    return space.folder_space(folder, model_folder.weights(folder))


def _local_dim(settings: EmbeddingSettings, facts: ModelFacts | None) -> int:
    """Return the width to give out: the configured one, else the model's, 0 where only loading can tell."""
    if facts and settings.dim.value > facts.dim:
        raise EmbedderInitFailed(
            f"dim is {settings.dim.value} ({settings.dim.source}) and the model gives {facts.dim}.",
            tip="Correct or remove [embeddings].dim.",
        )
    return settings.dim.value or (facts.dim if facts else 0)


def _remote(settings: EmbeddingSettings, gate: Gate, packing: Packing | None) -> Embedder:
    base_url, model = settings.base_url.value, settings.model.value
    _refuse_incomplete(settings)
    _refuse_egress(settings)
    key = settings.api_key.value
    ollama = settings.backend.value == vendors.OLLAMA
    prefixed = _prefixed(model)
    target = Target(
        space=space.space(model),
        dim=settings.dim.value or space.known_dim(model),
        backend=vendors.OLLAMA if ollama else vendors.OPENAI_COMPATIBLE,
        model=model,
        document_prefix=DOCUMENT_PREFIX if prefixed else "",
        query_prefix=QUERY_PREFIX if prefixed else "",
    )
    return HttpEmbedder(
        target,
        _dialect(model, settings.dim.value, ollama=ollama),
        Endpoint(
            base_url,
            key.reveal() if key else "",
            deadlines(settings),
            loopback_only=settings.egress.value != "allow",
        ),
        max_batch=vendors.limits(base_url).inputs,
        gate=gate,
        packing=packing,
    )


def deadlines(settings: EmbeddingSettings) -> Deadlines:
    """Return how long a remote endpoint is waited for.

    Longer for the first answer of one that may have its model to load before; as configured where that is said.
    """
    if seconds := settings.timeout_seconds.value:
        return Deadlines(read=seconds, total=2 * seconds, first=seconds)
    loads = settings.backend.value == vendors.OLLAMA or address.read(settings.base_url.value).is_loopback
    return Deadlines(first=LOADING) if loads else Deadlines()


def _dialect(model: str, dim: int, *, ollama: bool) -> Dialect:
    if not ollama:
        return OpenAiDialect(model, dim)
    # Older Ollamas know no `dimensions`: it is sent only where it would change something.
    return OllamaDialect(tag(model), dim if dim != space.known_dim(model) else 0)


def _refuse_incomplete(settings: EmbeddingSettings) -> None:
    backend, model, known = settings.backend, settings.model.value, space.known_dim(settings.model.value)
    if not settings.base_url.value:
        raise EmbedderInitFailed(
            f"backend {backend.value} ({backend.source}) needs a base URL.",
            tip="Set [embeddings].base_url or AI_MEMORY_EMBED_BASE_URL.",
        )
    if not model:
        raise EmbedderInitFailed(
            f"backend {backend.value} ({backend.source}) needs the name of a model.",
            tip="Set [embeddings].model or AI_MEMORY_EMBED_MODEL.",
        )
    if known and settings.dim.value > known:
        raise EmbedderInitFailed(
            f"dim is {settings.dim.value} ({settings.dim.source}) and {model} gives {known} at most.",
            tip="Correct or remove [embeddings].dim.",
        )


def _refuse_egress(settings: EmbeddingSettings) -> None:
    policy, base_url = settings.egress, settings.base_url
    if policy.value == "deny" or (policy.value == "loopback-only" and not address.read(base_url.value).is_loopback):
        raise EmbedderInitFailed(
            f"{policy.source}={policy.value} forbids requests to {base_url.value} ({base_url.source}).",
            tip="Use a local model, or change the policy.",
        )
