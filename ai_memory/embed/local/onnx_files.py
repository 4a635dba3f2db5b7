"""What a model's files say of how its ONNX file is computed: all of it is read, nothing is guessed.

PyTorch's library knows more kinds of models than this. What it would do and what these files do not say plainly is
refused here by name, and stays that library's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ai_memory.embed.local.model_code import refuse_code, refuse_special_files
from ai_memory.embed.local.model_files import AGAIN, Module, is_file, modules, table
from ai_memory.embed.local.onnx_model import OTHER_ENGINE, OnnxModel, export_command
from ai_memory.embed.local.pooling import MODES
from ai_memory.embed.local.sentence_config import pooling_modes, token_limit, token_width
from ai_memory.errors import EmbedderInitFailed
from ai_memory.vectors.target import MAX_DIM

PLACE = Path("onnx") / "model.onnx"
"""Where models on the hub carry it."""
INT8_PLACES = tuple(
    PLACE.with_name(name)
    for name in (
        "model_int8.onnx",
        "model_quantized.onnx",
        "model_qint8_avx512_vnni.onnx",
        "model_qint8_avx512.onnx",
        "model_quint8_avx2.onnx",
    )
)
"""And the same in int8, as the exporters of transformers.js and of sentence-transformers name it; of November 2026."""
_READS = {
    "transformer_task": ("feature-extraction",),
    "module_output_name": ("token_embeddings",),
    "modality_config": ({"text": {"method": "forward", "method_output_name": "last_hidden_state"}},),
}
"""The values of sentence_bert_config.json that mean: the last layer's vector of each token, pooled."""
_KNOWN = frozenset({"max_seq_length", "do_lower_case", *_READS})


def has_graph(folder: Path) -> bool:
    """Return whether a model's folder has an ONNX file."""
    return is_file(folder / PLACE)


def int8_graph(folder: Path) -> Path | None:
    """Return the ONNX file in int8 of a model's folder, None where it has none."""
    return next((folder / place for place in INT8_PLACES if is_file(folder / place)), None)


def read_model(folder: Path) -> OnnxModel:
    """Return the model in `folder`, which has its ONNX file at the usual place.

    Raises:
        EmbedderInitFailed: a file is not there, could run code, or says what is not computed here; it is named.
    """
    if not has_graph(folder):
        raise EmbedderInitFailed(
            f"{folder} has no {PLACE}.",
            tip=f"Where torch is installed, type: {export_command(folder)}",
        )
    return described(folder, folder / PLACE)


def described(folder: Path, graph: Path) -> OnnxModel:
    """Return the model in `folder` as its other files describe it; `graph` is the ONNX file that it has, or is to have.

    Raises:
        EmbedderInitFailed: see `read_model`.
    """
    refuse_code(folder)
    refuse_special_files(graph.parent)
    steps = _steps(folder)
    config = _sentence_config(steps[0].place)
    width, modes = _pooling(steps[1].place / "config.json")
    return OnnxModel(
        folder=folder,
        graph=graph,
        transformer=steps[0].place,
        width=width,
        pooling=modes,
        normalized=len(steps) > 2,
        max_tokens=_max_tokens(steps[0].place),
        lower_case=config.get("do_lower_case") is True,
    )


def _steps(folder: Path) -> list[Module]:
    """Return the modules of a model, a Transformer, its Pooling and any number of Normalize."""
    file, steps = folder / "modules.json", modules(folder)
    if not steps:
        raise EmbedderInitFailed(f"{file} does not say what the model is made of.", tip=AGAIN)
    kinds = [step.kind for step in steps]
    odd = [kind for kind in kinds if kind not in {"Transformer", "Pooling", "Normalize"}]
    if odd:
        raise EmbedderInitFailed(f"{file} names {odd[0]}, which the ONNX engines do not compute.", tip=OTHER_ENGINE)
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Normalize"}:
        raise EmbedderInitFailed(
            f"{file} names {', '.join(kinds)}, and the ONNX engines compute Transformer, Pooling, Normalize.",
            tip=OTHER_ENGINE,
        )
    return steps


def _sentence_config(transformer: Path) -> Mapping[str, object]:
    """Return sentence_bert_config.json, in which nothing stands that is not obeyed."""
    file = transformer / "sentence_bert_config.json"
    config = table(file)
    for name in sorted(config.keys() - _KNOWN):
        if config[name] not in (None, False, {}, []):
            raise EmbedderInitFailed(f"{file} sets {name[:40]!r}, which is not known here.", tip=OTHER_ENGINE)
    for name, taken in _READS.items():
        if name in config and config[name] not in taken:
            raise EmbedderInitFailed(f"{file} sets {name} to what the ONNX engines do not compute.", tip=OTHER_ENGINE)
    if config.get("do_lower_case") not in (None, True, False):
        raise EmbedderInitFailed(f"{file} sets do_lower_case to neither true nor false.", tip=AGAIN)
    return config


def _pooling(file: Path) -> tuple[int, tuple[str, ...]]:
    """Return the width of a token's vector and the modes that are joined."""
    config = table(file)
    width = token_width(config)
    if not 0 < width <= MAX_DIM:
        raise EmbedderInitFailed(f"{file} does not say how wide the vectors are.", tip=AGAIN)
    if not any(name.startswith("pooling_mode") for name in config):
        raise EmbedderInitFailed(f"{file} does not say how tokens are pooled.", tip=AGAIN)
    modes = pooling_modes(config)
    odd = [mode for mode in modes if mode not in MODES]
    if odd or not modes:
        shown = repr(odd[0][:40]) if odd else "nothing"
        raise EmbedderInitFailed(
            f"{file} says that tokens are pooled by {shown}, which the ONNX engines do not compute.", tip=OTHER_ENGINE
        )
    return width, modes


def _max_tokens(transformer: Path) -> int:
    limit = token_limit(transformer)
    if limit is None:
        raise EmbedderInitFailed(
            f"no file in {transformer} says after how many tokens the model cuts a text.",
            tip=f"Give max_seq_length in {transformer / 'sentence_bert_config.json'} as the model's card says it.",
        )
    return limit
