"""Refuses the model folders that could run code of their own, whatever the library would do with them.

A model of others is data: weights as safetensors, JSON, and classes of the library that only compute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ai_memory.embed.local.model_files import Module, is_file, modules, table
from ai_memory.errors import EmbedderInitFailed

_LIBRARY = re.compile(r"sentence_transformers(\.\w+)*\.\w+", re.ASCII)
_ACTIVATION = re.compile(r"torch\.nn(\.\w+)*\.[A-Z]\w*", re.ASCII)
_KINDS = frozenset(
    {
        "BoW",
        "CNN",
        "Dense",
        "Dropout",
        "LSTM",
        "LayerNorm",
        "Normalize",
        "Pooling",
        "StaticEmbedding",
        "Transformer",
        "WeightedLayerPooling",
        "WordWeights",
    }
)
"""The library's modules that make a vector of one text and import nothing that their configuration names."""
_PICKLES = ("*.pkl", "*.pickle", "*.joblib")
_UNSAFE_WEIGHTS = "pytorch_model*.bin"
_CONFIGURATIONS = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
_OTHER = "Use another model."
_SAFE = "Use a copy of the model with its weights as safetensors."


def refuse_code(folder: Path) -> None:
    """Check that loading the model in `folder` can run no code of the folder's.

    Raises:
        EmbedderInitFailed: a module, its activation or a configuration names code, or weights are pickles.
    """
    steps = modules(folder)
    for step in steps:
        _refuse_class(folder, step)
    for place in {folder: None} | {step.place: None for step in steps}:
        refuse_special_files(place)
        _refuse_pickles(place)
        for name in _CONFIGURATIONS:
            _refuse_own_classes(place / name)


def _refuse_class(folder: Path, step: Module) -> None:
    if not _LIBRARY.fullmatch(step.type) or step.kind not in _KINDS:
        shown = step.kind if re.fullmatch(r"\w{1,40}", step.kind, re.ASCII) else "a name that is not shown"
        raise EmbedderInitFailed(
            f"{folder}/modules.json names a module that is not loaded: {shown}.",
            tip=f"Only models made of {', '.join(sorted(_KINDS))} are.",
        )
    activation = table(step.place / "config.json").get("activation_function") if step.kind == "Dense" else None
    if activation is not None and not (isinstance(activation, str) and _ACTIVATION.fullmatch(activation)):
        raise EmbedderInitFailed(
            f"{step.place}/config.json names an activation that torch.nn does not have.", tip=_OTHER
        )


def refuse_special_files(place: Path) -> None:
    """Check that what looks like a file in `place` is one: the library would wait for a fifo for ever.

    Raises:
        EmbedderInitFailed: something is not.
    """
    for path in place.iterdir() if place.is_dir() else ():
        if path.exists() and not path.is_file() and not path.is_dir():
            raise EmbedderInitFailed(f"{path} is not a regular file.", tip="Get the model's files again.")


def _refuse_pickles(place: Path) -> None:
    for found in (found for pattern in _PICKLES for found in place.glob(pattern)):
        raise EmbedderInitFailed(f"{found} is a pickle, which can run code.", tip=_SAFE)
    if any(place.glob(_UNSAFE_WEIGHTS)) and not any(map(is_file, place.glob("model*.safetensors"))):
        raise EmbedderInitFailed(f"{place} has its weights only as a pickle, which can run code.", tip=_SAFE)


def _refuse_own_classes(file: Path) -> None:
    """Refuse an `auto_map` that names code beside it; code of another repository is never asked for."""
    mapped = table(file).get("auto_map")
    if any("--" not in name for name in _names(mapped)):
        raise EmbedderInitFailed(f"{file} names code of its own in auto_map, which is not run.", tip=_OTHER)


def _names(mapped: object) -> Iterator[str]:
    """Yield each class that an auto_map names; what is not a name is yielded as one without a repository."""
    if mapped is None:
        return
    if isinstance(mapped, Mapping | list):
        for each in mapped.values() if isinstance(mapped, Mapping) else mapped:
            yield from _names(each)
    else:
        yield mapped if isinstance(mapped, str) else ""
