"""What the files of a sentence-transformers model say about its vectors, read without loading it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ai_memory.errors import EmbedderInitFailed

_WEIGHT_PATTERNS = ("model*.safetensors", "pytorch_model*.bin")
_POOLING_SWITCHES = (
    "pooling_mode_cls_token",
    "pooling_mode_max_tokens",
    "pooling_mode_mean_tokens",
    "pooling_mode_mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens",
    "pooling_mode_lasttoken",
)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Width of a model's vectors, tokens after which it cuts a text (0: no cut), and whether it normalises."""

    dim: int
    max_tokens: int
    normalized: bool


def inspect(folder: Path) -> ModelFacts | None:
    """Return what the files of `folder` say, None where only the loaded model can tell.

    Reads modules.json, the pooling and dense configurations, sentence_bert_config.json,
    tokenizer_config.json and config.json in the forms sentence-transformers 2 to 6 write.

    Raises:
        EmbedderInitFailed: the folder is no model, or one of these files is not readable JSON.
    """
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise EmbedderInitFailed(
            f"{folder} holds no model: neither modules.json nor config.json is there.",
            tip="Name the folder of a sentence-transformers model.",
        )
    modules = _modules(folder)
    kinds = [kind for kind, _ in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Normalize", "Dense"}:
        return None
    dim = _dim(modules)
    max_tokens = _max_tokens(modules[0][1])
    if not dim or max_tokens is None:
        return None
    return ModelFacts(dim, max_tokens, "Normalize" in kinds)


def weights(folder: Path) -> list[Path]:
    """Return the weight files of a model, its transformer's first, sorted by their path within the folder.

    Raises:
        EmbedderInitFailed: there are none.
    """
    places = [folder] + [place for _, place in _modules(folder) if place != folder]
    found = [file for place in places for file in _weights_in(place)]
    if not found:
        raise EmbedderInitFailed(
            f"{folder} holds no weights.", tip="It must hold model.safetensors or pytorch_model.bin."
        )
    return found


def has_weights(folder: Path) -> bool:
    """Return whether the transformer's weights lie in `folder`."""
    return bool(_weights_in(folder))


def _weights_in(place: Path) -> list[Path]:
    for pattern in _WEIGHT_PATTERNS:
        if found := sorted(place.glob(pattern)):
            return found
    return []


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """Return kind and folder of each module, in the order in which a text passes them."""
    file = folder / "modules.json"
    if not file.is_file():
        return []
    entries = _json(file)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise EmbedderInitFailed(f"{file} is not a list of modules.", tip="Get the model's files again.")
    return [(str(entry.get("type", "")).rsplit(".", 1)[-1], folder / str(entry.get("path", ""))) for entry in entries]


def _dim(modules: list[tuple[str, Path]]) -> int:
    dim = 0
    for kind, place in modules:
        config = _table(place / "config.json") if kind in {"Pooling", "Dense"} else {}
        if kind == "Pooling":
            width = config.get("embedding_dimension") or config.get("word_embedding_dimension")
            dim = _positive(width) * _pooling_modes(config)
        elif kind == "Dense":
            dim = _positive(config.get("out_features"))
    return dim


def _pooling_modes(config: Mapping[str, object]) -> int:
    """Return how many pooled vectors are joined: one a mode."""
    mode = config.get("pooling_mode")
    if isinstance(mode, list):
        return len(mode)
    return 1 if mode else max(1, sum(config.get(switch) is True for switch in _POOLING_SWITCHES))


def _max_tokens(transformer: Path) -> int | None:
    """Return the token limit as sentence-transformers derives it, None where the files do not tell."""
    if configured := _positive(_table(transformer / "sentence_bert_config.json").get("max_seq_length")):
        return configured
    of_tokenizer = _positive(_table(transformer / "tokenizer_config.json").get("model_max_length"))
    positions = _positive(_table(transformer / "config.json").get("max_position_embeddings"))
    return min(of_tokenizer, positions) if of_tokenizer and positions else None


def _positive(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _table(file: Path) -> Mapping[str, object]:
    values = _json(file) if file.is_file() else {}
    return values if isinstance(values, dict) else {}


def _json(file: Path) -> object:
    try:
        values: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmbedderInitFailed(f"{file} cannot be read: {error}.", tip="Get the model's files again.") from error
    return values
