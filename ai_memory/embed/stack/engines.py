"""From the settings to what computes a model on this machine: which engines are there, and which of them is meant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ai_memory.config.embedding import AUTO, OPENVINO, TORCH
from ai_memory.config.embedding import ONNX as ONNXRUNTIME
from ai_memory.embed.local import engine_onnx, engine_openvino, engine_torch
from ai_memory.embed.local.engine_auto import AutoEngine, Candidate, Knowledge
from ai_memory.embed.local.engine_file import FileEngine
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.onnx_files import PLACE, has_graph, read_model
from ai_memory.embed.local.onnx_model import export_command
from ai_memory.embed.local.proofs import Proof
from ai_memory.errors import EmbedderInitFailed
from ai_memory.system.accelerator import has_accelerator
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.embed.port import Engine
    from ai_memory.embed.terms import Ties
    from ai_memory.vectors.target import Target, Vectors

_FILES = {OPENVINO: engine_openvino, ONNXRUNTIME: engine_onnx}
"""The engines of ONNX files, the fastest first: tokens/s of MiniLM on two cores 5,300-6,300 and 4,800-5,600."""
_CPU = frozenset({AUTO, "cpu"})


def require_engine(settings: EmbeddingSettings) -> None:
    """Refuse, without importing any, where no engine is installed that the settings mean.

    Raises:
        EmbedderInitFailed: it is not, or it does not compute on the device.
    """
    named = settings.engine.value
    if named == TORCH:
        engine_torch.require_library()
    elif named in _FILES:
        _require_library(settings)
    elif not engine_torch.is_installed() and not _installed():
        raise EmbedderInitFailed(
            "local models need a library that computes them, and none is installed.",
            tip=f"{engine_onnx.INSTALL}; or, for any model: {engine_torch.INSTALL.removeprefix('Type: ')}",
        )


def is_accelerated(settings: EmbeddingSettings) -> bool:
    """Return whether an accelerator computes, as far as that is told without loading anything."""
    if settings.device.value != AUTO:
        return settings.device.value not in _CPU
    return settings.engine.value in (AUTO, TORCH) and engine_torch.is_installed() and has_accelerator()


def engine_names(settings: EmbeddingSettings, folder: Path | None) -> list[str]:
    """Return the engines that may compute the model in `folder` (None: it is not there yet), the first to try first.

    Raises:
        EmbedderInitFailed: there is none.
    """
    require_engine(settings)
    named = settings.engine.value
    if named != AUTO:
        return [named]
    files = _installed() if folder and has_graph(folder) and settings.device.value in _CPU else []
    torch = [TORCH] if engine_torch.is_installed() else []
    # On an accelerator PyTorch is the fastest; the others compute on processors alone.
    found = torch if torch and settings.device.value == AUTO and has_accelerator() else [*files, *torch]
    if not found:
        raise _nothing(settings, folder)
    return found


def make_engine(
    settings: EmbeddingSettings, ties: Ties, folder: Path | None, target: Target, *, threads: int = 0
) -> Engine[Any]:
    """Return what computes the configured model, on so many threads (0: as it finds good); nothing is loaded yet.

    Raises:
        EmbedderInitFailed: see `engine_names`; or the model would have to be downloaded by an engine that does not.
    """
    names = engine_names(settings, folder)
    candidates = [Candidate(name, _made(name, settings, folder, threads)) for name in names]
    if settings.engine.value != AUTO or names == [TORCH] or folder is None:
        return candidates[0].engine
    return AutoEngine(
        candidates, Knowledge(partial(witness_on_record, ties, target), partial(Proof, folder), _teller(ties))
    )


def _made(name: str, settings: EmbeddingSettings, folder: Path | None, threads: int) -> Engine[Any]:
    if name == TORCH:
        offline = settings.offline.value or settings.egress.value != "allow" or folder is not None
        named = str(folder or settings.model.value)
        return TorchEngine(named, device=settings.device.value, offline=offline, threads=threads)
    if folder is None:
        raise _not_here(settings, name)
    return FileEngine(partial(read_model, folder), partial(_FILES[name].open_graph, threads=threads))


def _installed() -> list[str]:
    return [name for name, library in _FILES.items() if library.is_installed()]


def _require_library(settings: EmbeddingSettings) -> None:
    engine, device = settings.engine, settings.device
    library = _FILES[engine.value]
    if not library.is_installed():
        raise EmbedderInitFailed(
            f"engine is {engine.value} ({engine.source}), which is not installed.", tip=library.INSTALL
        )
    if device.value not in _CPU:
        raise EmbedderInitFailed(
            f"engine is {engine.value} ({engine.source}), which does not compute on {device.value} ({device.source}).",
            tip=f'Set engine = "{TORCH}", or remove device.',
        )


def _nothing(settings: EmbeddingSettings, folder: Path | None) -> EmbedderInitFailed:
    """Return why engines of ONNX files, the only ones that are installed, do not help."""
    if folder is None:
        return _not_here(settings, _installed()[0])
    if settings.device.value not in _CPU:
        return EmbedderInitFailed(
            f"nothing is installed that computes on {settings.device.value} ({settings.device.source}).",
            tip=engine_torch.INSTALL,
        )
    return EmbedderInitFailed(
        f"{folder} has no {PLACE}, and torch, which needs none, is not installed.",
        tip=f"Where torch is installed, type: {export_command(folder)}",
    )


def _not_here(settings: EmbeddingSettings, name: str) -> EmbedderInitFailed:
    return EmbedderInitFailed(
        f"the model {settings.model.value} ({settings.model.source}) is not on this machine, and the engine {name}"
        " downloads nothing.",
        tip="Set [embeddings].model_path to the folder of its files, onnx/model.onnx among them.",
    )


def _teller(ties: Ties) -> Callable[[str], None]:
    return ties.tell or (lambda _: None)


def witness_on_record(ties: Ties, target: Target) -> Vectors | None:
    """Return the vectors that a database knows of the target's witness texts."""
    kept, size = ties.witness(target) if ties.witness else None, len(WITNESS_TEXTS) * target.dim
    if not kept or len(kept) != 4 * size:
        return None
    return np.frombuffer(kept, dtype="<f4").reshape(len(WITNESS_TEXTS), target.dim)
