"""Ollama's own embeddings language: bodies and answers as values.

Source: Ollama, docs/api.md, "Generate Embeddings".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ai_memory.embed.http.wire import Reply, as_vectors, count_of, require_rows
from ai_memory.frozen import Frozen
from ai_memory.vectors import space

_TAGS = {space.MINILM: "all-minilm", space.NOMIC: "nomic-embed-text"}


def tag(model: str) -> str:
    """Return the name under which Ollama's library has a model: other spellings of two families are translated."""
    return model if ":" in model else _TAGS.get(space.model_id(model), model)


class OllamaDialect(Frozen):
    """Requests for `model`, a name of Ollama's; `dimensions` is sent unless it is 0."""

    model: str
    dimensions: int = 0
    path: str = "/api/embed"

    def hint(self, base: str) -> str:
        """Return what may be wrong with the path of a base URL: Ollama's own language is spoken at its root."""
        if base.endswith(("/v1", "/api", self.path)):
            return "Remove the path from [embeddings].base_url, or set backend to openai-compatible for /v1."
        return ""

    def body(self, texts: Sequence[str], *, base64: bool) -> Mapping[str, object]:  # noqa: ARG002 - not offered
        """Return the JSON body that asks for the vectors of `texts`."""
        asked: dict[str, object] = {"model": self.model, "input": list(texts), "truncate": True}
        if self.dimensions:
            asked["dimensions"] = self.dimensions
        return asked

    def read(self, answer: object, *, count: int) -> Reply:
        """Return the vectors, which come in the order of the texts.

        Raises:
            AnswerViolation: there are not `count` of them.
            ForeignAnswer: there is no list of them.
        """
        table = answer if isinstance(answer, dict) else {}
        rows = require_rows(table.get("embeddings"), count)
        return Reply(as_vectors(rows), count_of(table.get("prompt_eval_count")))
