"""The OpenAI embeddings language, which most servers speak: bodies and answers as values.

Source: OpenAI API reference, "Create embeddings".
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from operator import itemgetter

import numpy as np

from ai_memory.embed.http.wire import Reply, as_vectors, count_of, require_rows
from ai_memory.errors import AnswerViolation, ForeignAnswer
from ai_memory.frozen import Frozen
from ai_memory.text.amounts import counted

_VERSION = re.compile(r"/v[0-9]|/deployments/")
_LONGEST_INDEX = 9


class OpenAiDialect(Frozen):
    """Requests for `model`; `dimensions` is sent unless it is 0."""

    model: str
    dimensions: int = 0
    path: str = "/embeddings"

    def hint(self, base: str) -> str:
        """Return what may be wrong with the path of a base URL: most servers speak this language below /v1."""
        if base.endswith(self.path):
            return f"Remove {self.path} from the end of [embeddings].base_url: it is added by itself."
        return "" if _VERSION.search(base) else "Does [embeddings].base_url need /v1 at its end?"

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
            ForeignAnswer: there are no vectors where this language has them.
        """
        table = answer if isinstance(answer, dict) else {}
        usage = table.get("usage")
        tokens = usage.get("total_tokens") or usage.get("prompt_tokens") if isinstance(usage, dict) else 0
        return Reply(as_vectors(_ordered(require_rows(table.get("data"), count))), count_of(tokens))


def _ordered(rows: Sequence[object]) -> list[object]:
    """Return the vectors of rows in the order of the texts.

    That of their indexes; where these tell none, that in which they stand: all missing, all the same, no numbers.

    Raises:
        AnswerViolation: an index is missing, twice or out of range.
        ForeignAnswer: no row has a vector.
    """
    tables = [row if isinstance(row, dict) else {} for row in rows]
    if not any("embedding" in table for table in tables):
        raise ForeignAnswer(f"{counted(len(rows), 'text was', 'texts were')} sent and no vectors came back.")
    indexes = [_index(table.get("index")) for table in tables]
    found = [_numbers(table.get("embedding")) for table in tables]
    if len(set(indexes)) == 1:
        return found
    places = _places(indexes)
    if sorted(places) != list(range(len(rows))):
        odd = next(raw for raw, place in zip(tables, places, strict=True) if places.count(place) > 1 or place < 0)
        told = odd.get("index")
        raise AnswerViolation(f"an answer to {len(rows)} texts has the index {told!r} missing, twice or out of range.")
    return [vector for _, vector in sorted(zip(places, found, strict=True), key=itemgetter(0))]


def _index(value: object) -> int | None:
    """Return an index, which may be written as text or as 1.0; None where there is none, -1 for what cannot be one."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_INDEX:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or type(value) is int else -1


def _places(indexes: Sequence[int | None]) -> list[int]:
    """Return the place of each row, -1 where nothing tells it.

    One missing index is 0: protobuf leaves a zero away, as Gemini does. Some servers count from 1; out of order that
    could as well be one index too high.
    """
    count = len(indexes)
    if list(indexes) == list(range(1, count + 1)):
        return list(range(count))
    missing = 0 if 0 not in indexes and indexes.count(None) == 1 else -1
    return [missing if index is None else index if 0 <= index < count else -1 for index in indexes]


def _numbers(embedding: object) -> object:
    """Return a list of numbers or an array of them: float lists as they are, base64 as little-endian float32."""
    if not isinstance(embedding, str):
        return embedding
    try:
        # Not `b64decode`, which copies the text first.
        return np.frombuffer(a2b_base64(embedding, strict_mode=True), dtype="<f4")
    except ValueError as error:
        raise AnswerViolation("a vector of an answer is broken base64.") from error
