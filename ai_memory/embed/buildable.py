"""What cannot be built, as far as settings tell: no key is read and nothing is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import EmbedderInitFailed
from ai_memory.text import address
from ai_memory.vectors import space

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings


def require_buildable(settings: EmbeddingSettings) -> None:
    """Refuse settings of a remote backend that no embedder can be built from.

    Raises:
        EmbedderInitFailed: address or model is missing, the width is none of the model's, or the policy forbids it.
    """
    _refuse_incomplete(settings)
    _refuse_egress(settings)


def require_cluster_allowed(settings: EmbeddingSettings, address: str) -> None:
    """Refuse a cluster where texts may not leave this machine, also one that is reached on loopback: it has others.

    Raises:
        EmbedderInitFailed: the policy forbids it.
    """
    policy = settings.egress
    if policy.value != "allow":
        raise EmbedderInitFailed(
            f"{policy.source}={policy.value} forbids to send texts to the cluster at {address}.",
            tip="Use --embedders with a number, or ray, or change the policy.",
        )


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
