"""Finds the line of a config file that a message is about: the TOML reader of Python keeps none."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from ai_memory.config.embedding import SECTION

_TABLE = re.compile(r"\s*\[\s*([\w.\s\"'-]+?)\s*\]")
_KEY = re.compile(r"\s*([\w.\s\"'-]+?)\s*=(.*)")
_LONG_TEXT = re.compile(r"\"\"\"|\'\'\'")
_NAMED = re.compile(rf"\[({SECTION}(?:\.\w+)?)\]\.([\w-]+)")


def line_of(message: str, file: Path) -> int | None:
    """Return the number of the line that a message about a setting of `file` names, None where that is not known."""
    lines: dict[str, int] = {}
    with suppress(OSError):
        lines = lines_of(file.read_text("utf-8-sig", errors="replace"))
    if named := _NAMED.search(message):
        return lines.get(f"{named[1]}.{named[2]}") or lines.get(named[1])
    at_the_top = (
        rf"(?:{re.escape(str(file))}: (?:there is a table )?|\({re.escape(file.name)} )\[?([\w-]+(?:\.[\w-]+)?)"
    )
    found = re.search(at_the_top, message)
    return lines.get(found[1]) if found else None


def lines_of(text: str) -> dict[str, int]:
    """Return the number of the line in which each table and key begins, by its whole name, like embeddings.dim."""
    lines: dict[str, int] = {}
    table, closing = "", ""
    for number, line in enumerate(text.splitlines(), start=1):
        if closing:
            closing = "" if closing in line else closing
        elif found := _TABLE.match(line):
            table = f"{_name(found[1])}."
            lines.setdefault(_name(found[1]), number)
        elif found := _KEY.match(line):
            lines.setdefault(f"{table}{_name(found[1])}", number)
            marks = _LONG_TEXT.findall(found[2])
            closing = marks[0] if len(marks) == 1 else ""
    return lines


def _name(written: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in written.split("."))
