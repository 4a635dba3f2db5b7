"""A text that stands nowhere but in memory: of a request that carries one, no answer is quoted."""

from __future__ import annotations

from collections.abc import Iterable


class Sealed(str):
    """The text of an encrypted memory. It is a text like any other, to be embedded; where it is told of, it is known.

    A string that is made of one is no longer sealed: whoever makes one says so again.
    """

    __slots__ = ()


def behind(prefix: str, text: str) -> str:
    """Return a text behind a prefix, sealed where the text is."""
    return Sealed(prefix + text) if isinstance(text, Sealed) else prefix + text


def any_sealed(texts: Iterable[str]) -> bool:
    """Return whether one of the texts is sealed."""
    return any(isinstance(each, Sealed) for each in texts)
