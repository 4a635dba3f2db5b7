"""What a true answer to some texts may have: bytes, and what the parser would make of them.

A few bytes of JSON become many of memory: an empty table of three bytes takes 64. What is refused here is
never parsed.
"""

from __future__ import annotations

from ai_memory.errors import AnswerViolation
from ai_memory.frozen import Frozen
from ai_memory.vectors.target import MAX_DIM

LARGEST = 4 << 20
"""Bytes of an answer: so many texts are sent at once that theirs is no larger."""
AROUND = 64 << 10
A_TEXT = 200
A_COMPONENT = 25
"""Bytes that a component takes at most, as JSON has it: sign, 17 digits, exponent, comma, blank."""
FIRST_TEXTS = 4
"""So few texts are sent before the width is known."""
_NAMES_A_TEXT = 16
_TABLES_A_TEXT = 2
_TABLES_AROUND = 16


class AnswerSize(Frozen):
    """The size of an answer to `texts` texts whose vectors are `width` wide (0: not known)."""

    texts: int
    width: int

    @property
    def most_bytes(self) -> int:
        """The bytes it may have."""
        return self.texts * _bytes_a_text(self.width or MAX_DIM) + AROUND

    def check(self, body: bytes | bytearray) -> None:
        """Check what parsing a body would make: tables, lists and values.

        Raises:
            AnswerViolation: more than a true answer has.
        """
        tables = _TABLES_A_TEXT * self.texts + _TABLES_AROUND
        values = self.texts * ((self.width or MAX_DIM) + _NAMES_A_TEXT) + AROUND // A_COMPONENT
        for name, mark, most in (("tables", b"{", tables), ("lists", b"[", tables), ("values", b",", values)):
            if (found := body.count(mark)) > most:
                raise AnswerViolation(f"it has {found:,} {name} where {self.texts:,} texts were sent.", http_status=200)


def fitting(count: int, width: int) -> int:
    """Return how many of `count` texts may be sent at once, at least one, for an answer of a bounded size."""
    if not width:
        return min(count, FIRST_TEXTS)
    return min(count, max((LARGEST - AROUND) // _bytes_a_text(width), 1))


def _bytes_a_text(width: int) -> int:
    return A_COMPONENT * width + A_TEXT
