"""What differs between the servers' languages: the path, the body of a request and the shape of an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ai_memory.errors import AnswerViolation, ForeignAnswer, OneVector
from ai_memory.frozen import Frozen
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.vectors.target import Vectors

MOST_TOKENS = 10**9
"""No answer to one request costs more; such a count is not believed."""


class Reply(Frozen):
    """Vectors in the order of the texts sent, and the tokens the server counted (0: it told none)."""

    vectors: Vectors
    tokens: int


class Dialect(Protocol):
    """One server language: pure values in and out, no request is sent here."""

    @property
    def path(self) -> str:
        """What follows the base URL."""

    @property
    def dimensions(self) -> int:
        """The width that is asked for, 0 where none is."""

    def hint(self, base: str) -> str:
        """Return what may be wrong with the path `base` of a base URL that led to no embeddings, empty for none."""

    def body(self, texts: Sequence[str], *, base64: bool) -> Mapping[str, object]:
        """Return the JSON body that asks for the vectors of `texts`."""

    def read(self, answer: object, *, count: int) -> Reply:
        """Return what a parsed answer to `count` texts says.

        Raises:
            AnswerViolation: it is not the answer to that request.
            ForeignAnswer: it is an answer in no language that is read here.
        """


def require_rows(rows: object, count: int) -> list[object]:
    """Return the rows of an answer to `count` texts.

    Raises:
        ForeignAnswer: they are not a list.
        AnswerViolation: their number differs; OneVector where there is a single one.
    """
    if not isinstance(rows, list):
        raise ForeignAnswer(f"{counted(count, 'text was', 'texts were')} sent and no vectors came back.")
    if len(rows) != count:
        kind = OneVector if len(rows) == 1 else AnswerViolation
        raise kind(f"{counted(count, 'text was', 'texts were')} sent and {counted(len(rows), 'vector')} came back.")
    return rows


def as_vectors(rows: Sequence[object]) -> Vectors:
    """Return rows of numbers, which may be written as text, as float32, shape (n, dim).

    A row that is none, among others that are, is NaN.

    Raises:
        AnswerViolation: no row is a list of numbers.
        ForeignAnswer: each row is a list of lists.
    """
    if rows and all(isinstance(row, list) and row and isinstance(row[0], list) for row in rows):
        raise ForeignAnswer("it has lists of vectors where vectors belong; does the server pool them?")
    holds_bool = any(map(_holds_bool, rows))
    if not holds_bool and (whole := _numbers(rows)) is not None:
        return whole
    found = [None if _holds_bool(row) else _numbers(row) for row in rows]
    widths = Counter(len(row) for row in found if row is not None and row.ndim == 1 and len(row))
    if not widths:
        raise AnswerViolation(
            "a vector of an answer holds true or false where numbers belong."
            if holds_bool
            else "the vectors of an answer differ in length or hold something other than numbers."
        )
    # What was cut off is shorter.
    width = max(widths, key=lambda each: (widths[each], each))
    nothing = np.full(width, np.nan, dtype=np.float32)
    return np.stack([row if row is not None and row.shape == (width,) else nothing for row in found])


def _holds_bool(row: object) -> bool:
    return isinstance(row, list) and bool in set(map(type, row))


def _numbers(row: object) -> Vectors | None:
    """Return numbers, or lists of them of one length, as an array; None where they are none."""
    try:
        with np.errstate(over="ignore"):
            return np.array(row, dtype=np.float32)
    except (ValueError, TypeError, OverflowError):
        return None


def count_of(value: object) -> int:
    """Return a count a server told, 0 for anything that is none."""
    return value if type(value) is int and 0 < value <= MOST_TOKENS else 0
