"""The texts by which an ONNX file is compared with the model that it was made from."""

from __future__ import annotations

from collections.abc import Iterator

from ai_memory.vectors.witness import WITNESS_TEXTS

COUNT = 100
_ODD = ("", " ", "a", "\0", "日本語のテキスト", "ΑΒΓ δεζ", "tab\tand\nline", "don't — “stop”", "1234567890 " * 9)


def same_texts(max_tokens: int) -> list[str]:
    """Return COUNT texts of all lengths; one is cut by a model that reads `max_tokens` tokens."""
    found = [*WITNESS_TEXTS, *_ODD, "tea " * (max_tokens + 10)]
    documents = _documents()
    while len(found) < COUNT:
        found.append(next(documents))
    return found


def _documents() -> Iterator[str]:
    """Yield what Python says of its own types: prose that lies on every machine."""
    for kind in (str, bytes, list, dict, set, int, float, object, tuple, frozenset):
        for name in dir(kind):
            text = getattr(kind, name).__doc__
            if isinstance(text, str):
                yield f"{kind.__name__}.{name}\n\n{text}"
