"""What the files of a sentence-transformers model say about its vectors, read without loading it."""

from __future__ import annotations

from pathlib import Path

from ai_memory.embed.local.model_code import refuse_code
from ai_memory.embed.local.model_files import Module, is_file, modules, table
from ai_memory.embed.local.sentence_config import pooling_modes, positive, token_limit, token_width
from ai_memory.embed.port import ModelFacts
from ai_memory.errors import EmbedderInitFailed
from ai_memory.vectors.target import MAX_DIM


def inspect(folder: Path) -> ModelFacts | None:
    """Return what the files of `folder` say, None where only the loaded model can tell.

    Reads modules.json, the pooling and dense configurations, sentence_bert_config.json,
    tokenizer_config.json and config.json in the forms sentence-transformers 2 to 6 write.

    Raises:
        EmbedderInitFailed: the folder is not a model, could run code, or one of these files is not readable JSON.
    """
    if not is_file(folder / "config.json") and not is_file(folder / "modules.json"):
        raise EmbedderInitFailed(
            f"{folder} holds no model: neither modules.json nor config.json is there.",
            tip="Name the folder of a sentence-transformers model.",
        )
    refuse_code(folder)
    steps = modules(folder)
    kinds = [step.kind for step in steps]
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Normalize", "Dense"}:
        return None
    dim = _dim(steps)
    if dim > MAX_DIM:
        raise EmbedderInitFailed(
            f"the files of {folder} say that its vectors are wider than {MAX_DIM:,}.", tip="Use another model."
        )
    max_tokens = token_limit(steps[0].place)
    if not dim or max_tokens is None:
        return None
    return ModelFacts(dim, max_tokens, "Normalize" in kinds)


def _dim(steps: list[Module]) -> int:
    dim = 0
    for step in steps:
        config = table(step.place / "config.json") if step.kind in {"Pooling", "Dense"} else {}
        if step.kind == "Pooling":
            dim = token_width(config) * len(pooling_modes(config))
        elif step.kind == "Dense":
            dim = positive(config.get("out_features"))
    return dim
