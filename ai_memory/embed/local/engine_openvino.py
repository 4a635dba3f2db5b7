"""ONNX files computed by OpenVINO; the only importer of that library."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from openvino import CompiledModel, Core

    from ai_memory.embed.local.token_reader import Numbers
    from ai_memory.vectors.target import Vectors

INSTALL = 'Type: pip install "openvino>=2026.3.0" "tokenizers>=0.22.1"'
_TELLS_OTHERS = ("openvino_telemetry", "openvino.tools.ovc")
"""What sends word of each import to its makers, and the converter whose import it is that does so (2026.4)."""
_BY_CALL = {"PERFORMANCE_HINT": "LATENCY"}
AS_WRITTEN, IN_BFLOAT16 = "f32", "bf16"
"""The library's names of number formats. Unless it is told, it takes the second where the processor has it."""


def is_installed() -> bool:
    """Return whether the library is there, without importing it."""
    return all(importlib.util.find_spec(name) for name in ("openvino", "tokenizers"))


class OpenVinoGraph:
    """An ONNX file in OpenVINO."""

    def __init__(self, compiled: CompiledModel, engine: str) -> None:
        """Take a model that is ready to compute."""
        self.engine, self.threads = engine, int(compiled.get_property("INFERENCE_NUM_THREADS"))
        self.inputs: Mapping[str, str] = {each.get_any_name(): _format(each) for each in compiled.inputs}
        self._ports = {name: port for port in compiled.outputs for name in port.get_names()}
        self.outputs: Sequence[str] = list(self._ports)
        self._request = compiled.create_infer_request()

    def compute(self, feeds: Mapping[str, Numbers], output: str) -> Vectors:
        """Return one output; raises whatever the library raises."""
        self._request.infer(dict(feeds))
        # A copy: the next call computes into the same memory.
        return np.array(self._request.get_tensor(self._ports[output]).data, dtype=np.float32)


def open_graph(file: Path, number_format: str = AS_WRITTEN, *, threads: int = 0) -> OpenVinoGraph:
    """Return an ONNX file, loaded, to be computed in a number format; raises whatever the library raises.

    It computes on so many threads (0: as many as the library finds good).
    """
    with _untold():
        import openvino
        from openvino.frontend import FrontEndManager

    # Asked for by its name: else each reader that the library has tries a file that is not one, and writes to stderr.
    reader = FrontEndManager().load_by_framework("onnx")
    options = {**_BY_CALL, "INFERENCE_PRECISION_HINT": number_format}
    if threads:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    compiled = _core().compile_model(reader.convert(reader.load(str(file))), "CPU", options)
    return OpenVinoGraph(compiled, f"openvino {openvino.__version__.partition('-')[0]}")


@cache
def _core() -> Core:
    """Return the library's own state, one for the life of the process.

    With its first model each gives the thread a stack for signals, and takes it back when it is let go. Of two that are
    let go in the order in which they were made, the second leaves a stack that is gone, and the next signal ends the
    process with a segmentation fault (openvino 2026.4).
    """
    import openvino

    return openvino.Core()


def _format(port: object) -> str:
    return "int32" if "int32" in str(getattr(port, "element_type", "")) or "i32" in str(port) else "int64"


@contextmanager
def _untold() -> Iterator[None]:
    """Keep the library, while it is imported, from sending anything to its makers: nothing leaves this machine.

    It goes without what it cannot import. Where one of them is loaded already, somebody else asked for it.
    """
    hidden = [name for name in _TELLS_OTHERS if name not in sys.modules]
    # None stands for a module that is not there.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
