"""The engine of a model's ONNX file, whichever library computes it; knows no library but the one of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ai_memory.embed.local.model_files import reason_of
from ai_memory.embed.local.onnx_model import export_command
from ai_memory.embed.local.pooling import pooled, scaled
from ai_memory.embed.local.token_reader import token_reader
from ai_memory.embed.port import in_precision
from ai_memory.errors import EmbedderInitFailed, RowsRefused
from ai_memory.vectors.target import FLOAT32
from ai_memory.vectors.witness import CANARY

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.embed.local.onnx_model import OnnxModel
    from ai_memory.embed.local.token_reader import Numbers, TokenBatch, TokenReader, TokenText
    from ai_memory.embed.port import ModelFacts
    from ai_memory.vectors.target import Vectors

INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
NEEDED = frozenset({"input_ids", "attention_mask"})
OUTPUTS = ("last_hidden_state", "token_embeddings")
"""The names by which exporters call the vectors of the tokens."""


class Graph(Protocol):
    """An ONNX file that a library has loaded."""

    @property
    def engine(self) -> str:
        """The library and its release."""

    @property
    def threads(self) -> int:
        """On how many threads it computes."""

    @property
    def inputs(self) -> Mapping[str, str]:
        """The names of its inputs, each with its number format: int64, int32."""

    @property
    def outputs(self) -> Sequence[str]:
        """The names of its outputs."""

    def compute(self, feeds: Mapping[str, Numbers], output: str) -> Vectors:
        """Return one output: float32; raises whatever the library raises."""


class FileEngine:
    """Computes the ONNX file of a model, loaded by the first call."""

    device = "cpu"

    def __init__(
        self, read: Callable[[], OnnxModel], open_graph: Callable[[Path], Graph], precision: str = FLOAT32
    ) -> None:
        """Keep what reads the model's files, and what loads its ONNX file; nothing is read yet.

        `precision` is the number format in which both compute.
        """
        self._read = read
        self._open = open_graph
        self._precision = precision
        self._loaded: _Loaded | None = None

    def facts(self) -> ModelFacts:
        """Return what the loaded model is; the first call loads it.

        Raises:
            EmbedderInitFailed: it cannot be loaded, or its files do not say all that is needed.
        """
        return self._model().facts

    def tokenize(self, texts: Sequence[str]) -> Sequence[TokenText]:
        """Return texts as the model reads them, each cut after its last token.

        Raises:
            RowsRefused: the model cannot read one of them.
        """
        return self._model().reader.read(texts)

    def run(self, texts: Sequence[TokenText]) -> Vectors:
        """Return what the model computes in one forward pass: float32, shape (n, dim of the model), in order.

        Raises:
            RowsRefused: the model cannot take them.
        """
        model = self._model()
        return model.vectors(model.reader.together(texts))

    def close(self) -> None:
        """Let go of the model; another call loads it again."""
        self._loaded = None

    def _model(self) -> _Loaded:
        if self._loaded is None:
            self._loaded = _load(self._read(), self._open, self._precision)
        return self._loaded


class _Loaded:
    """A model in memory."""

    def __init__(self, model: OnnxModel, reader: TokenReader, graph: Graph, output: str, engine: str) -> None:
        self.facts = model.facts(engine, graph.threads)
        self.reader = reader
        self._model = model
        self._graph = graph
        self._output = output

    def tokens(self, batch: TokenBatch) -> Vectors:
        """Return the vector of each token; raises RowsRefused where the library cannot compute them."""
        named = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.kinds}
        feeds = {name: named[name].astype(kind, copy=False) for name, kind in self._graph.inputs.items()}
        try:
            return self._graph.compute(feeds, self._output)
        except Exception as error:  # each library has errors of its own
            raise RowsRefused(f"the model cannot embed this batch: {reason_of(error)}.") from error

    def vectors(self, batch: TokenBatch) -> Vectors:
        """Return the vector of each text; raises RowsRefused."""
        found = pooled(self.tokens(batch), batch.mask, self._model.pooling)
        return np.ascontiguousarray(scaled(found) if self._model.normalized else found, dtype=np.float32)


def _load(model: OnnxModel, open_graph: Callable[[Path], Graph], precision: str) -> _Loaded:
    """Return the model, loaded and found to be what its files say."""
    reader = token_reader(model)
    try:
        graph = open_graph(model.graph)
    except Exception as error:  # each library has errors of its own
        raise EmbedderInitFailed(f"{model.graph} cannot be loaded: {reason_of(error)}.", tip=_tip(model)) from error
    loaded = _Loaded(model, reader, graph, _output(graph, model), in_precision(graph.engine, precision))
    _require_width(loaded, model)
    return loaded


def _output(graph: Graph, model: OnnxModel) -> str:
    """Return the name of the output that has the tokens' vectors.

    Raises:
        EmbedderInitFailed: there is none, or the file asks for what is not known.
    """
    odd, missing = sorted(graph.inputs.keys() - INPUTS), sorted(NEEDED - graph.inputs.keys())
    if odd or missing:
        what = f"wants the input {odd[0][:40]!r}, which is not known" if odd else f"does not take {missing[0]}"
        raise EmbedderInitFailed(f"{model.graph} {what}.", tip=_tip(model))
    named = [name for name in OUTPUTS if name in graph.outputs]
    if not named:
        shown = ", ".join(repr(name[:40]) for name in graph.outputs[:3]) or "nothing"
        raise EmbedderInitFailed(
            f"{model.graph} gives {shown}, and not the vectors of the tokens ({' or '.join(OUTPUTS)}).",
            tip=_tip(model),
        )
    return named[0]


def _require_width(loaded: _Loaded, model: OnnxModel) -> None:
    """Check by one pass that the file computes vectors of the width that the model's files say.

    Raises:
        EmbedderInitFailed: it does not.
    """
    batch = loaded.reader.together(loaded.reader.read([CANARY]))
    try:
        shape = loaded.tokens(batch).shape
    except RowsRefused as error:
        raise EmbedderInitFailed(f"{model.graph} cannot be computed: {error.what}", tip=_tip(model)) from error
    if shape != (*batch.ids.shape, model.width):
        raise EmbedderInitFailed(
            f"{model.graph} gives {' x '.join(map(str, shape))} numbers for a text of {batch.ids.shape[1]} tokens, and"
            f" the model's files say that the vector of a token is {model.width} wide.",
            tip=_tip(model),
        )


def _tip(model: OnnxModel) -> str:
    return f"Get another ONNX file of the model, or move this one away and type: {export_command(model.folder)}"
