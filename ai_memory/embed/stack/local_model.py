"""Which model on this machine the settings mean, as far as its files tell; none is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.embed.local import model_folder
from ai_memory.embed.local.cache import cached_folder
from ai_memory.embed.local.engine_torch import require_library
from ai_memory.embed.local.weights import weights
from ai_memory.errors import EmbedderInitFailed
from ai_memory.memory.document import TEMPLATE_VERSION
from ai_memory.vectors import space
from ai_memory.vectors.target import LOCAL, Target

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.port import ModelFacts


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model to load: from its `folder`, or (None) from the hub by its name. When `offline`, the hub is not asked."""

    folder: Path | None
    offline: bool
    target: Target


def local_model(settings: EmbeddingSettings) -> LocalModel:
    """Return the configured model.

    Raises:
        EmbedderInitFailed: the library is not installed, the model's files are not there and may not be downloaded, or
            they cannot be used.
    """
    offline = _off_the_hub(settings)
    folder, named = folder_of(settings), settings.model.value
    if folder is None and offline:
        raise EmbedderInitFailed(
            f"the model {named} ({settings.model.source}) is not on this machine and may not be downloaded.",
            tip="Set [embeddings].model_path to its folder, or download it once without AI_MEMORY_EMBED_OFFLINE.",
        )
    facts = model_folder.inspect(folder) if folder else None
    target = Target(
        space=space.local_space(named) if named or not folder else space.folder_space(folder, weights(folder)),
        dim=_dim(settings, facts),
        backend=LOCAL,
        model=named or (folder.name if folder else ""),
        normalized=bool(facts and (facts.normalized or 0 < settings.dim.value < facts.dim)),
        max_tokens=facts.max_tokens if facts else 0,
        template_version=TEMPLATE_VERSION,
    )
    return LocalModel(folder, offline or bool(folder), target)


def folder_of(settings: EmbeddingSettings) -> Path | None:
    """Return where the model's files lie on this machine, None where they do not.

    Raises:
        EmbedderInitFailed: the library that computes models is not installed.
    """
    require_library()
    if settings.model_path.value:
        return settings.model_path.value
    return cached_folder(settings.model.value, offline=_off_the_hub(settings))


def _off_the_hub(settings: EmbeddingSettings) -> bool:
    """Return whether the model hub may not be asked: it is a host like any other, under the egress policy."""
    return settings.offline.value or settings.egress.value != "allow"


def _dim(settings: EmbeddingSettings, facts: ModelFacts | None) -> int:
    """Return the width to give out: the configured one, else the model's, 0 where only loading can tell."""
    if facts and settings.dim.value > facts.dim:
        raise EmbedderInitFailed(
            f"dim is {settings.dim.value} ({settings.dim.source}) and the model gives {facts.dim}.",
            tip="Correct or remove [embeddings].dim.",
        )
    return settings.dim.value or (facts.dim if facts else 0)
