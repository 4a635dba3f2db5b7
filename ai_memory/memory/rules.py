"""The rules a memory must keep to be stored: ai-memory's own (its format, release 0.7 to 1.0)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ai_memory.memory.records import MAX_NAMESPACE
from ai_memory.text.invisible import is_invisible
from ai_memory.text.strict_json import loads
from ai_memory.text.times import in_utc

if TYPE_CHECKING:
    from ai_memory.memory.records import Value

ID = re.compile(r"[A-Za-z0-9_:.@-]{1,128}")
TIERS = ("short", "mid", "long")
MAX_SEGMENTS = 8
MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)
TIME = "must be a time as in 2026-01-31T12:00:00+00:00"


def first_fault(values: Mapping[str, Value]) -> str | None:
    """Return what is wrong with the columns given, as a clause without full stop; None when all is well.

    NULL is left to the database, which knows what it takes.
    """
    for name, value in values.items():
        if value is not None and (fault := _RULES.get(name, _any_value)(value)):
            return f"{name} {fault}"
    return None


def namespace_fault(value: Value) -> str | None:
    """Return what is wrong with a namespace, None when nothing is."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAMESPACE:
        return f"must be a text of 1 to {MAX_NAMESPACE} characters"
    segments = value.split("/")
    if len(segments) > MAX_SEGMENTS:
        return f"has {len(segments)} segments, more than {MAX_SEGMENTS}"
    if any(segment in ("", ".", "..") for segment in segments):
        return "has an empty, '.' or '..' segment"
    return _not_blank(value)


def _any_value(value: Value) -> str | None:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    fine = not isinstance(value, int) or MIN_INTEGER <= value <= MAX_INTEGER
    return None if fine else f"is beyond {MAX_INTEGER}"


def _text(value: Value) -> str | None:
    if not isinstance(value, str):
        return "must be a text"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "has half a surrogate pair or a byte that is not UTF-8"
    return None


def _not_blank(value: Value) -> str | None:
    blank = isinstance(value, str) and all(each.isspace() or is_invisible(each) for each in value)
    return "is blank" if blank and not _text(value) else _text(value)


def _no_blob(value: Value) -> str | None:
    return "must not be a BLOB" if isinstance(value, bytes) else _any_value(value)


def _id(value: Value) -> str | None:
    if isinstance(value, str) and ID.fullmatch(value):
        return None
    return "must be 1 to 128 characters of A-Z a-z 0-9 _ : . @ -"


def _tier(value: Value) -> str | None:
    return None if value in TIERS else f"must be one of {', '.join(TIERS)}"


def _tags(value: Value) -> str | None:
    tags = _json(value)
    fine = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)
    return _text(value) if fine else "must be a list of texts"


def _metadata(value: Value) -> str | None:
    return _text(value) if isinstance(_json(value), dict) else "must be an object"


def _json(value: Value) -> object:
    try:
        return loads(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _time(value: Value) -> str | None:
    return None if isinstance(value, str) and in_utc(value) else TIME


def _expiry(value: Value) -> str | None:
    # Compared as text by the Rust program: only in UTC does it mean the same to everybody.
    return None if isinstance(value, str) and in_utc(value) == value else TIME


def _number(low: float, high: float, *, whole: bool) -> Callable[[Value], str | None]:
    kind, allowed = ("a whole number", int) if whole else ("a number", (int, float))
    limits = f"of {low:g} or more" if high >= MAX_INTEGER else f"from {low:g} to {high:g}"

    def rule(value: Value) -> str | None:
        fine = isinstance(value, allowed) and low <= value <= high
        return None if fine else f"must be {kind} {limits}"

    return rule


NUMBERS = frozenset({"priority", "confidence", "access_count", "version"})
"""Columns for which `true` and `false` of JSON are not numbers."""
_RULES: Mapping[str, Callable[[Value], str | None]] = {
    "id": _id,
    "namespace": namespace_fault,
    "title": _not_blank,
    "content": _text,
    "tier": _tier,
    "tags": _tags,
    "metadata": _metadata,
    "priority": _number(1, 10, whole=True),
    "confidence": _number(0, 1, whole=False),
    "access_count": _number(0, MAX_INTEGER, whole=True),
    "version": _number(0, MAX_INTEGER, whole=True),
    "source": _text,
    "lifecycle_state": _text,
    "created_at": _time,
    "updated_at": _time,
    "last_accessed_at": _time,
    "expires_at": _expiry,
    "citations": _no_blob,
    "source_span": _no_blob,
    "confidence_signals": _no_blob,
}
