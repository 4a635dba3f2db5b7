"""The OpenAI embeddings language, which most servers speak: bodies and answers as values.

Source: OpenAI API reference, "Create embeddings".
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ai_memory.embed.dialect import Reply, as_vectors, count_of
from ai_memory.errors import AnswerViolation


@dataclass(frozen=True, slots=True)
class OpenAiDialect:
    """Requests for `model`; `dimensions` is sent unless it is 0."""

    model: str
    dimensions: int = 0
    path: str = "/embeddings"
    offers_base64: bool = True

    def body(self, texts: Sequence[str], *, base64: bool) -> Mapping[str, object]:
        """Return the JSON body that asks for the vectors of `texts`."""
        asked: dict[str, object] = {"model": self.model, "input": list(texts)}
        if self.dimensions:
            asked["dimensions"] = self.dimensions
        if base64:
            asked["encoding_format"] = "base64"
        return asked

    def read(self, answer: object, *, count: int) -> Reply:
        """Return the vectors in the order of their `index`, whatever order the answer has.

        Raises:
            AnswerViolation: the indexes are not exactly 0..count-1, or a vector is none.
        """
        table = answer if isinstance(answer, dict) else {}
        usage = table.get("usage")
        tokens = usage.get("total_tokens") or usage.get("prompt_tokens") if isinstance(usage, dict) else 0
        return Reply(as_vectors(_ordered(table.get("data"), count)), count_of(tokens))


def _ordered(data: object, count: int) -> list[object]:
    if not isinstance(data, list) or len(data) != count:
        got = len(data) if isinstance(data, list) else "no"
        raise AnswerViolation(f"{count} texts were sent and {got} vectors came back.")
    rows: dict[int, object] = {}
    for item in data:
        index = item.get("index") if isinstance(item, dict) else None
        if type(index) is not int or not 0 <= index < count or index in rows:
            raise AnswerViolation(f"an answer to {count} texts has the index {index!r} missing, twice or out of range.")
        rows[index] = _numbers(item.get("embedding"))
    return [rows[index] for index in range(count)]


def _numbers(embedding: object) -> object:
    """Return a list of numbers or an array of them: float lists as they are, base64 as little-endian float32."""
    if not isinstance(embedding, str):
        return embedding
    try:
        return np.frombuffer(b64decode(embedding, validate=True), dtype="<f4")
    except ValueError as error:
        raise AnswerViolation("a vector of an answer is broken base64.") from error
