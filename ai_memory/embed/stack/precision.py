"""In which number format a model can be computed on this machine, and by which engine.

Measured with MiniLM on 300 docstrings (2026-11-26; a Xeon with avx512_vnni, without bfloat16). In bfloat16 the first
ten overlap by 0.997 with those of float32, and the least cosine is 0.99997. A file in int8 by onnxruntime's
quantize_dynamic: 0.93 and 0.983; it scales numbers by the whole pass: a text has another vector in other company
(0.988). PyTorch's own int8 of linear layers: 0.81 and 0.88. That is why the last one is not offered.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ai_memory.config.embedding import AUTO, OPENVINO, TORCH
from ai_memory.config.embedding import ONNX as ONNXRUNTIME
from ai_memory.embed.local import engine_onnx, engine_openvino, engine_torch
from ai_memory.embed.local.engine_file import FileEngine
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.onnx_files import INT8_PLACES, described, has_graph, int8_graph, read_model
from ai_memory.system.accelerator import has_accelerator
from ai_memory.system.processor import processor_features
from ai_memory.vectors.target import BFLOAT16, FLOAT32, INT8

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.port import Engine

INSTRUCTIONS = {
    BFLOAT16: frozenset({"amx_bf16", "avx512_bf16", "bf16"}),
    INT8: frozenset({"amx_int8", "avx512_vnni", "avx_vnni", "avx_vnni_int8", "asimddp", "i8mm"}),
}
"""What Linux calls the instructions by which a number format is computed faster than float32; one of them is enough."""
_LIBRARIES = {ONNXRUNTIME: engine_onnx, OPENVINO: engine_openvino, TORCH: engine_torch}
_COMPUTE = {BFLOAT16: (OPENVINO, TORCH), INT8: (ONNXRUNTIME, OPENVINO)}
"""The engines of a precision, the fastest first: a file in int8 takes OpenVINO seven times as long as onnxruntime."""


def precise_engines(settings: EmbeddingSettings, folder: Path | None) -> list[str]:
    """Return the engines that compute the model in `folder` in the precision of the settings, the fastest first."""
    named, precision = settings.engine.value, settings.precision.value
    if folder is None or not _has_files(precision, folder):
        return []
    found = [name for name in _COMPUTE.get(precision, ()) if named in (AUTO, name) and _LIBRARIES[name].is_installed()]
    return [name for name in found if name == TORCH or precision == INT8 or has_graph(folder)]


def why_float32(settings: EmbeddingSettings, folder: Path | None) -> str:
    """Return why the precision of the settings cannot be computed here; empty where it can, or is float32."""
    precision, device = settings.precision.value, settings.device.value
    if precision == FLOAT32:
        return ""
    if device not in (AUTO, "cpu") or (device == AUTO and has_accelerator()):
        return f"{precision} is computed on the processor alone, and here an accelerator computes"
    if not processor_features() & INSTRUCTIONS[precision]:
        return f"this processor has no instructions for {precision}"
    if folder is None:
        return "the model is not on this machine yet"
    if not _has_files(precision, folder):
        return f"{folder} has no {INT8_PLACES[0]}"
    if not precise_engines(settings, folder):
        return (
            f"of the engines that are installed and allowed ({settings.engine.value}) none computes it in {precision}"
        )
    return ""


def make_precise(settings: EmbeddingSettings, folder: Path | None, *, threads: int = 0) -> Engine[Any] | None:
    """Return what computes a model in another precision than float32, on so many threads; nothing is loaded yet.

    None where that is not asked for, or cannot be done. Nothing is compared: that was done on the rows of a file.
    """
    names, precision = precise_engines(settings, folder), settings.precision.value
    if folder is None or not names:
        return None
    if names[0] == TORCH:
        return TorchEngine(str(folder), device="cpu", offline=True, precision=precision, threads=threads)
    if precision == BFLOAT16:
        in_format = partial(engine_openvino.open_graph, number_format=engine_openvino.IN_BFLOAT16, threads=threads)
        return FileEngine(partial(read_model, folder), in_format, precision)
    library = engine_onnx if names[0] == ONNXRUNTIME else engine_openvino
    opened = partial(library.open_graph, threads=threads)
    return FileEngine(partial(described, folder, int8_graph(folder) or folder / INT8_PLACES[0]), opened, precision)


def _has_files(precision: str, folder: Path) -> bool:
    return precision != INT8 or int8_graph(folder) is not None
