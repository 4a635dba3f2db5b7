"""Reads JSON as its standard has it: no NaN, no number that would be lost, no key twice in one object.

Python's reader takes all of these; what it makes of them (`Infinity`, 0.0, the last of two values) is not JSON that any
more, or not what the text says.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from typing import NoReturn

from ai_memory.frozen import Frozen
from ai_memory.text import nesting
from ai_memory.text.cleaning import one_line

MAX_DIGITS = 1_000
"""Python reads no integer of more than 4,300 digits, and SQLite keeps none of more than 19."""
SHOWN = 40


class Flaw(Frozen):
    """Stands where a value would stand that JSON, or we, cannot keep; `why` is a clause without full stop."""

    why: str


def _decoder(flawed: Callable[[str], object]) -> json.JSONDecoder:
    def real(literal: str) -> object:
        value = float(literal)
        vanished = value == 0 and any(digit in "123456789" for digit in literal.lower().partition("e")[0])
        lost = math.isinf(value) or vanished
        return flawed(f"holds the number {one_line(literal, most=SHOWN)}, which cannot be kept") if lost else value

    def whole(literal: str) -> object:
        return int(literal) if len(literal) <= MAX_DIGITS else flawed(f"holds a number of {len(literal):,} digits")

    def constant(name: str) -> object:
        return flawed(f"holds {name}, which is not a JSON number")

    def members(found: list[tuple[str, object]]) -> object:
        value = dict(found)
        if len(value) == len(found):
            return value
        ((twice, _),) = Counter(name for name, _ in found).most_common(1)
        return flawed(f"holds the key {one_line(twice, most=SHOWN)!r} twice in one object")

    return json.JSONDecoder(parse_float=real, parse_int=whole, parse_constant=constant, object_pairs_hook=members)


def _refuse(why: str) -> NoReturn:
    raise ValueError(why)


MARKING = _decoder(Flaw)
"""Puts a `Flaw` where something cannot be kept, so that its place can be named."""
_REFUSING = _decoder(_refuse)


def loads(text: str) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not JSON, or holds what cannot be kept.
    """
    with nesting.bounded():
        return _REFUSING.decode(text)


def compact(value: object) -> str:
    """Return a value as the JSON text of a column: no blanks, as ai-memory writes it.

    Raises:
        ValueError: there is a `Flaw` in it, or it is nested too deeply.
    """
    with nesting.bounded():
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_flawed)


def _flawed(value: object) -> NoReturn:
    raise ValueError(value.why if isinstance(value, Flaw) else f"holds {value!r}")
