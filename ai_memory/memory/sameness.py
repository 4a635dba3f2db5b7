"""Tells whether two databases hold the same value, which each of them may write in a way of its own.

A file keeps times and JSON as whatever text it was given. PostgreSQL has types for both: it keeps an instant to the
microsecond, and of JSON neither blanks nor the order of names.
"""

from __future__ import annotations

import json
from datetime import timedelta
from math import isclose
from typing import TYPE_CHECKING

from ai_memory.text import nesting
from ai_memory.text.times import instant_of

if TYPE_CHECKING:
    from ai_memory.memory.records import Value

TO_THE_BYTE = frozenset({"id", "namespace", "title", "content"})
"""The columns that are text and nothing else."""
MICROSECOND = timedelta(microseconds=1)
SINGLE = 1e-6
"""By how much a number may differ that somebody keeps in four bytes, of its own size."""


def same(column: str, one: Value, other: Value) -> bool:
    """Return whether two values of a column mean the same."""
    if one == other:
        return True
    if column in TO_THE_BYTE:
        return False
    if isinstance(one, str) and isinstance(other, str):
        return _same_instant(one, other) or _same_json(one, other)
    return isinstance(one, float) and isinstance(other, float) and isclose(one, other, rel_tol=SINGLE)


def _same_instant(one: str, other: str) -> bool:
    first, second = instant_of(one), instant_of(other)
    return first is not None and second is not None and abs(first - second) <= MICROSECOND


def _same_json(one: str, other: str) -> bool:
    """Return whether two texts are the same JSON; a number or a bare text is compared as it is written."""
    if not (one.lstrip()[:1] in ("{", "[") and other.lstrip()[:1] in ("{", "[")):
        return False
    try:
        with nesting.bounded():
            return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False
