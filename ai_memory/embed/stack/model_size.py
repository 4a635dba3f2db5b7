"""How large a local model's weights are, as its files tell: what each process that loads it needs at least."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.config.embedding import TORCH
from ai_memory.embed.local.onnx_files import PLACE, int8_graph
from ai_memory.embed.local.weights import weights
from ai_memory.embed.stack.engines import engine_names
from ai_memory.embed.stack.precision import precise_engines
from ai_memory.vectors.target import INT8

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.config.embedding import EmbeddingSettings


def model_bytes(settings: EmbeddingSettings, folder: Path) -> int:
    """Return the bytes of the weights in `folder` that the engine reads which is tried first.

    Raises:
        EmbedderInitFailed: there are none, or no engine computes them.
    """
    names = precise_engines(settings, folder) or engine_names(settings, folder)
    if names[0] == TORCH:
        return sum(file.stat().st_size for file in weights(folder))
    graph = (int8_graph(folder) if settings.precision.value == INT8 else None) or folder / PLACE
    # Weights of more than 2 GB lie beside the file, under its name and some ending.
    return sum(file.stat().st_size for file in graph.parent.glob(f"{graph.name}*"))
