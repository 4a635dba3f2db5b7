"""The model hub's cache on this machine: which folder of it holds a model."""

from __future__ import annotations

from pathlib import Path

from ai_memory.embed.local.model_files import reason_of
from ai_memory.embed.local.weights import has_weights
from ai_memory.errors import EmbedderInitFailed
from ai_memory.system.process_env import keep_off_model_hub
from ai_memory.vectors import space


def cached_folder(model: str, *, offline: bool = False) -> Path | None:
    """Return the folder where the hub's cache holds a whole model, None where it does not.

    When `offline`, nothing in this process asks the hub from now on.

    Raises:
        EmbedderInitFailed: `model` cannot be the name of a model.
    """
    if offline:
        keep_off_model_hub()
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(_hub_id(model), "modules.json")
    except ValueError as error:
        raise EmbedderInitFailed(
            f"{model!r} is not the name of a model: {reason_of(error)}.", tip="Correct [embeddings].model."
        ) from error
    folder = Path(found).parent if isinstance(found, str) else None
    return folder if folder and has_weights(folder) else None


def _hub_id(model: str) -> str:
    """Return the hub's id of a model: names without an owner are sentence-transformers' own."""
    known = {space.MINILM: "sentence-transformers/all-MiniLM-L6-v2", space.NOMIC: "nomic-ai/nomic-embed-text-v1.5"}
    return known.get(space.model_id(model)) or (model if "/" in model else f"sentence-transformers/{model}")
