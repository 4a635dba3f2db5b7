"""How a value that is refused, or named, is told: never whole where it could be a key in the wrong place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time

from ai_memory.text.masking import KEY_PREFIX

_LONGEST = 24
_WORD = re.compile(r"[A-Za-z][A-Za-z _-]*|-?[0-9.]+")
_KEY_SHAPED = re.compile(
    r"(?i:\b(?:bearer|basic)\s+\S{6,})"
    rf"|(?<![\w/.~-]){KEY_PREFIX}[\w*.-]{{6,}}"
    r"|(?<![\w/.~-])(?:hf|fw|pa|r8|tgp)[-_][A-Za-z0-9_-]*(?:[0-9][A-Za-z]|[a-z][A-Z])[A-Za-z0-9_-]{8,}"
    r"|(?<![\w/.~-])(?:AIza[\w-]{20,}|A(?:KI|SI)A[A-Z0-9]{12,}|eyJ[\w-]{10,}\.[\w.-]{10,})"
)


def described(value: object) -> str:
    """Return a value as an error may say it: a short word or number as it is, else only what it is."""
    if isinstance(value, str):
        plain = len(value) <= _LONGEST and _WORD.fullmatch(value) and not key_shaped(value)
        return repr(value) if plain or not value else f"a text of {len(value)} characters, which is not shown"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _kind(value)
    return str(value) if abs(value) < 1e24 else "a number that is far too large"


def written_as_path(value: str) -> bool:
    """Return whether a value that could be a name is written as a path."""
    return value.startswith(("/", "./", "../", "~/"))


def key_shaped(text: str) -> bool:
    """Return whether `text` has something in it that has the form of a vendor's API key."""
    return bool(_KEY_SHAPED.search(text))


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return f"the date or time {value}"
    return "a table" if isinstance(value, Mapping) else "a list"
