"""Makes the ONNX file of a model that has none, and puts it in place once it has shown that it computes the same."""

from __future__ import annotations

import fcntl
import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ai_memory.embed.local import engine_onnx, engine_openvino, engine_torch
from ai_memory.embed.local.engine_auto import SAME
from ai_memory.embed.local.engine_file import FileEngine
from ai_memory.embed.local.engine_torch import TorchEngine
from ai_memory.embed.local.onnx_files import PLACE, described, has_graph
from ai_memory.embed.local.proofs import Proof
from ai_memory.embed.local.same_texts import same_texts
from ai_memory.errors import WRITE_FAULTS, EmbedderInitFailed, NotFound, StorageFailed, UsageError
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import printable
from ai_memory.text.hints import MAKE_ROOM
from ai_memory.vectors.checks import cosines

if TYPE_CHECKING:
    from ai_memory.embed.local.onnx_model import OnnxModel
    from ai_memory.embed.port import Engine
    from ai_memory.vectors.target import Vectors

INSTALL = 'Type: pip install "onnx>=1.20.0" "onnxscript>=0.7.0"'
_BATCH = 8


class Exported(Frozen):
    """An ONNX file that was made; `cosines` has the least one of all texts with PyTorch's vectors, by engine."""

    file: Path
    texts: int
    cosines: dict[str, float]


def export(folder: Path, tell: Callable[[str], None]) -> Exported:
    """Write the ONNX file of the model in `folder`; `tell` hears what is done, which takes a while.

    Raises:
        NotFound: there is no such folder.
        UsageError: it has an ONNX file.
        EmbedderInitFailed: a library is missing, the model's files do not say all that is needed, or what was made
            computes other vectors; then nothing is put in place.
        StorageFailed: the file cannot be written.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {printable(str(folder))}.", tip="Name the folder of its modules.json.")
    model = described(folder, folder / PLACE)
    if has_graph(folder):
        raise UsageError(f"{model.graph} is there already.", tip="To make it anew, move it away first.")
    checking = _libraries()
    torch = TorchEngine(str(folder), device="cpu", offline=True)
    with _put_in_place(model.graph) as part:
        tell(f"Loads {folder} and writes its ONNX file.")
        torch.write_onnx(part)
        texts = same_texts(model.max_tokens)
        tell(f"Compares {len(texts)} texts.")
        expected = _computed(torch, texts)
        found = {}
        for library in checking:
            engine = FileEngine(partial(described, folder, part), library)
            name = engine.facts().engine
            found[name] = _least(name, model, _computed(engine, texts), expected)
    for name, cosine in found.items():
        Proof(folder, name).keep(cosine)
    return Exported(model.graph, len(texts), found)


def _libraries() -> list[Callable[[Path], Any]]:
    """Return what opens ONNX files on this machine.

    Raises:
        EmbedderInitFailed: something is not installed that the export needs.
    """
    engine_torch.require_library()
    for name in ("onnx", "onnxscript"):
        if importlib.util.find_spec(name) is None:
            raise EmbedderInitFailed(f"the export needs {name}, which is not installed.", tip=INSTALL)
    found = [each.open_graph for each in (engine_onnx, engine_openvino) if each.is_installed()]
    if not found:
        raise EmbedderInitFailed(
            "nothing is installed that computes an ONNX file, so none could be compared.", tip=engine_onnx.INSTALL
        )
    return found


def _computed(engine: Engine[Any], texts: list[str]) -> Vectors:
    passes = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    return np.concatenate([engine.run(engine.tokenize(each)) for each in passes])


def _least(name: str, model: OnnxModel, found: Vectors, expected: Vectors) -> float:
    """Return the least cosine of two vectors of a text.

    Raises:
        EmbedderInitFailed: it is too low.
    """
    least = float(cosines(found, expected).min())
    if not least >= SAME:
        raise EmbedderInitFailed(
            f"the ONNX file that was made of {model.folder} gives other vectors than torch in {name}: a cosine of"
            f" {least:.6f} where {SAME} is needed; it was removed.",
            tip="Use the model with the engine torch.",
        )
    return least


@contextmanager
def _put_in_place(file: Path) -> Iterator[Path]:
    """Yield the name under which `file` is made; it has its own once the block has ended well, whole and on the disk.

    Raises:
        UsageError: another process makes it.
        StorageFailed: it cannot be written.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        made = not file.parent.exists()
        file.parent.mkdir(exist_ok=True)
        with part.open("ab") as held:
            _hold(held.fileno(), file)
            try:
                yield part
                os.fsync(held.fileno())
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)
                if made:
                    with suppress(OSError):
                        file.parent.rmdir()
    except OSError as error:
        tip = MAKE_ROOM if error.errno in WRITE_FAULTS else "Check the folder."
        raise StorageFailed(f"{file} cannot be written: {error.strerror or error}.", tip=tip) from error


def _hold(descriptor: int, file: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"Another process makes {file}.", tip="Wait for it.") from None
