"""From a model on this machine to its embedder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ai_memory.embed.flow.concurrency import LimitedEmbedder
from ai_memory.embed.flow.documented import documented_limits
from ai_memory.embed.http.packing import Packing
from ai_memory.embed.local.embedder import LocalEmbedder
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.tokens import token_count
from ai_memory.embed.stack.chain import Core

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.stack.local_model import LocalModel


def core(settings: EmbeddingSettings, model: LocalModel) -> Core:
    """Return the embedder of `model`, called once at a time; nothing is loaded yet."""
    source = str(model.folder or settings.model.value)
    engine = TorchEngine(source, device=settings.device.value, offline=model.offline)
    return Core(
        make=partial(LimitedEmbedder, LocalEmbedder(model.target, engine)),
        concurrency=1,
        limits=documented_limits(settings.base_url.value),
        packing=Packing(fixed=False),
        count_tokens=partial(token_counter, model.folder),
    )


def token_counter(folder: Path | None) -> Callable[[str], int] | None:
    """Return what counts a document's tokens as the model in `folder` does, None where no tokenizer is there.

    Raises:
        EmbedderInitFailed: the tokenizer cannot be read.
    """
    return token_count(folder) if folder else None
