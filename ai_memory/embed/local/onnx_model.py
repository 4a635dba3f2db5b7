"""A model that is computed from an ONNX file, as its files describe it."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from ai_memory.embed.port import ModelFacts
from ai_memory.frozen import Frozen

OTHER_ENGINE = 'Set [embeddings].engine = "torch", which reads more kinds of models.'


class OnnxModel(Frozen):
    """A model as its files describe it.

    `graph` is the ONNX file, `folder` the whole model's, `transformer` that of the tokenizer. `width` is that of a
    token's vector, `pooling` the modes whose vectors are joined. Vectors are scaled to length 1 where `normalized`. A
    text is put in lower case before it is read where `lower_case`, and cut after `max_tokens` tokens.
    """

    folder: Path
    graph: Path
    transformer: Path
    width: int
    pooling: tuple[str, ...]
    normalized: bool
    max_tokens: int
    lower_case: bool

    def facts(self, engine: str, threads: int) -> ModelFacts:
        """Return what is told of the model that `engine` computes, on so many threads."""
        return ModelFacts(self.width * len(self.pooling), self.max_tokens, self.normalized, engine, threads)


def export_command(folder: Path) -> str:
    """Return the command that makes the ONNX file of the model in a folder."""
    return f"ai-memory model export {quote(str(folder))}"
