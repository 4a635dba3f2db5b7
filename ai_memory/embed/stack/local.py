"""From the settings of a model on this machine to its embedder, as far as the model's files tell; none is loaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai_memory.config.keeping import to_keep
from ai_memory.embed.flow.concurrency import LimitedEmbedder
from ai_memory.embed.flow.documented import documented_limits
from ai_memory.embed.http.packing import Packing
from ai_memory.embed.local import model_folder
from ai_memory.embed.local.cache import cached_folder
from ai_memory.embed.local.embedder import AT_ONCE, AT_ONCE_ACCELERATED, LocalEmbedder
from ai_memory.embed.local.kept_size import CachedSize
from ai_memory.embed.local.pass_size import NotKept
from ai_memory.embed.local.tokens import token_count
from ai_memory.embed.local.weights import weights_if_any
from ai_memory.embed.stack.chain import Core
from ai_memory.errors import EmbedderInitFailed
from ai_memory.memory.document import TEMPLATE_VERSION
from ai_memory.vectors import space
from ai_memory.vectors.target import LOCAL, Target

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.local.pass_size import KeptSize
    from ai_memory.embed.port import Engine, ModelFacts


def core(
    settings: EmbeddingSettings, make_engine: Callable[[Path | None, Target], Engine[Any]], *, accelerated: bool = False
) -> Core:
    """Return the embedder of the configured model, whose calls share forward passes; nothing is loaded yet.

    `make_engine` returns what computes the model in a folder, or one that is not on this machine yet; an accelerator
    does where it is `accelerated`.

    Raises:
        EmbedderInitFailed: the model's files are not there and may not be downloaded, or they cannot be used.
    """
    folder = model_place(settings)
    target = _target(settings, folder)
    engine = make_engine(folder, target)
    if folder is None and _off_the_hub(settings):
        keeps = settings.offline if settings.offline.value else settings.egress
        raise EmbedderInitFailed(
            f"the model {target.model} ({settings.model.source}) is not on this machine and may not be downloaded.",
            tip="Set [embeddings].model_path to its folder, or download it once without"
            f" {keeps.source.removeprefix('env ')}.",
        )
    at_once = AT_ONCE_ACCELERATED if accelerated else AT_ONCE
    return Core(
        target=target,
        make=partial(LimitedEmbedder, LocalEmbedder(target, engine, partial(_kept_size, folder), at_once=at_once)),
        concurrency=at_once,
        level_is_known=True,
        limits=documented_limits(settings.base_url.value),
        packing=Packing(fixed=False),
        count_tokens=partial(token_count, folder),
    )


def _kept_size(folder: Path | None, loaded: ModelFacts, device: str) -> KeptSize:
    """Return where it is kept which size of a forward pass is the fastest; nowhere for a model without a folder."""
    return CachedSize(folder, loaded.library, loaded.threads, device) if folder else NotKept()


def token_counter(settings: EmbeddingSettings) -> Callable[[str], int] | None:
    """Return what counts a document's tokens as the model does, None where its tokenizer is not on this machine.

    Raises:
        EmbedderInitFailed: the tokenizer cannot be read.
    """
    return token_count(model_place(settings))


def model_place(settings: EmbeddingSettings) -> Path | None:
    """Return where the model's files lie on this machine, None where they do not.

    Raises:
        EmbedderInitFailed: its name cannot be one.
    """
    if settings.model_path.value:
        return settings.model_path.value
    return cached_folder(settings.model.value, offline=_off_the_hub(settings))


def _off_the_hub(settings: EmbeddingSettings) -> bool:
    """Return whether the model hub may not be asked: it is a host like any other, under the egress policy."""
    return settings.offline.value or settings.egress.value != "allow"


def _target(settings: EmbeddingSettings, folder: Path | None) -> Target:
    named = settings.model.value
    facts = model_folder.inspect(folder) if folder else None
    return Target(
        space=space.local_space(named) if named or not folder else _folder_space(folder),
        dim=_dim(settings, facts),
        backend=LOCAL,
        model=named or (folder.name if folder else ""),
        normalized=bool(facts and (facts.normalized or 0 < settings.dim.value < facts.dim)),
        max_tokens=facts.max_tokens if facts else 0,
        precision=settings.precision.value,
        template_version=TEMPLATE_VERSION,
        settings=to_keep(settings),
    )


def _folder_space(folder: Path) -> str:
    """Return the space of a model that has no name but its weights."""
    if found := weights_if_any(folder):
        return space.folder_space(folder, found)
    raise EmbedderInitFailed(
        f"{folder} has no model.safetensors, by which a model is known that has no name.",
        tip="Name it in [embeddings].model, as the hub does: sentence-transformers/all-MiniLM-L6-v2.",
    )


def _dim(settings: EmbeddingSettings, facts: ModelFacts | None) -> int:
    """Return the width to give out: the configured one, else the model's, 0 where only loading can tell."""
    if facts and settings.dim.value > facts.dim:
        raise EmbedderInitFailed(
            f"dim is {settings.dim.value} ({settings.dim.source}) and the model gives {facts.dim}.",
            tip="Correct or remove [embeddings].dim.",
        )
    return settings.dim.value or (facts.dim if facts else 0)
