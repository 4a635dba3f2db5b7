"""ONNX files computed by onnxruntime; the only importer of that library."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.system.cores import usable_cores
from ai_memory.system.process_env import keep_usage_untold

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from ai_memory.embed.local.token_reader import Numbers
    from ai_memory.vectors.target import Vectors

INSTALL = 'Type: pip install "onnxruntime>=1.20.0" "tokenizers>=0.22.1"'
_FORMATS = {"tensor(int64)": "int64", "tensor(int32)": "int32"}
_FATAL = 4
"""The severity from which the library writes to the terminal: what it refuses comes as an exception, too."""


def is_installed() -> bool:
    """Return whether the library is there, without importing it."""
    return all(importlib.util.find_spec(name) for name in ("onnxruntime", "tokenizers"))


class OnnxGraph:
    """An ONNX file in onnxruntime."""

    def __init__(self, session: InferenceSession, engine: str, threads: int) -> None:
        """Take a session that is ready to compute."""
        self.engine, self.threads = engine, threads
        self.inputs: Mapping[str, str] = {each.name: _FORMATS.get(each.type, "int64") for each in session.get_inputs()}
        self.outputs: Sequence[str] = [each.name for each in session.get_outputs()]
        self._session = session

    def compute(self, feeds: Mapping[str, Numbers], output: str) -> Vectors:
        """Return one output; raises whatever the library raises."""
        found: Vectors = self._session.run([output], dict(feeds))[0]
        return found


def open_graph(file: Path, *, threads: int = 0) -> OnnxGraph:
    """Return an ONNX file, loaded, for so many threads (0: all cores); raises whatever the library raises."""
    keep_usage_untold()
    import onnxruntime

    onnxruntime.set_default_logger_severity(_FATAL)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    # Threads that spin while they wait take a busy machine's cores from everybody; see let_idle_threads_sleep.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    threads = options.intra_op_num_threads = threads or usable_cores()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return OnnxGraph(session, f"onnxruntime {onnxruntime.__version__}", threads)
