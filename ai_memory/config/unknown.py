"""Warnings of what a config file says and no ai-memory reads: most likely a mistake in writing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ai_memory.config.embedding import ADDRESS_KEYS, OTHER_KEYS, OUR_KEYS, PREVIOUS, SECTION
from ai_memory.text.refused_value import key_shaped

if TYPE_CHECKING:
    from ai_memory.config.file import Table

TOP_KEYS = ("db", "tier")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_ALIKE = 0.6
_MOST = 20


def warnings(top: Table) -> tuple[str, ...]:
    """Return a line for each setting that was ignored, at most _MOST of them.

    At the top the file has tables of the Rust program too: only what resembles a name of ours is warned of there.
    """
    found = [f"{top.file}: {each}" for each in [*_at_the_top(top), *_in_the_table(top)]]
    more = [f"{top.file}: {len(found) - _MOST} more settings were ignored."] if len(found) > _MOST else []
    return tuple(found[:_MOST] + more)


def _at_the_top(top: Table) -> Iterator[str]:
    ours = ADDRESS_KEYS | OTHER_KEYS | OUR_KEYS
    for name in sorted(top.values.keys() - {SECTION, *TOP_KEYS}):
        if name in ours:
            yield f"{name} stands outside of [{SECTION}] and was ignored; move it below that line."
        elif meant := _meant(name, (SECTION, *TOP_KEYS)):
            yield _unlike(name, meant, top.values[name])


def _unlike(name: str, meant: str, value: object) -> str:
    if isinstance(value, dict) and meant == SECTION:
        return f"there is a table [{_shown(name)}], which means nothing here; did you mean [{SECTION}]?"
    return f"{_shown(name)} is not a known name and was ignored; did you mean {meant}?"


def _in_the_table(top: Table) -> Iterator[str]:
    known = ADDRESS_KEYS | OTHER_KEYS | OUR_KEYS | {"api_key"}
    values = top.values.get(SECTION)
    if isinstance(values, dict):
        yield from _unknown(SECTION, values.keys() - known - {PREVIOUS})
        previous = values.get(PREVIOUS)
        yield from _unknown(f"{SECTION}.{PREVIOUS}", previous.keys() - known if isinstance(previous, dict) else ())


def _unknown(section: str, names: Iterable[str]) -> Iterator[str]:
    for name in sorted(names):
        yield f"[{section}].{_shown(name)} is not a known key and was ignored."


def _meant(name: str, known: Iterable[str]) -> str:
    if name.lower().startswith("embed"):
        return SECTION
    return next(iter(get_close_matches(name.lower(), known, n=1, cutoff=_ALIKE)), "")


def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) and not key_shaped(name) else "a name that is not shown"
