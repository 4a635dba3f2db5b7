"""Finds the JSON values of a file, however they are laid out, and says where each stands.

One document, several after one another, or one per line: all are read alike. Only what is broken is judged by its
layout, so that one bad line of JSON Lines is the fault of that line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ai_memory.errors import DataRefused
from ai_memory.frozen import Frozen
from ai_memory.text import nesting
from ai_memory.text.strict_json import MARKING

MEND = "Mend the file; nothing was imported."
BLANK = re.compile("[ \t\n\r\ufeff]*")
"""What may stand between two values; also a byte order mark, where files were put together."""


BEGINNING = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?(?:\0{0,3}[ \t\n\r])*\0{0,3}(?:[{[]|$)")
"""How a file of objects begins, in any encoding of Unicode."""


def may_begin(data: bytes | bytearray) -> bool:
    """Return whether a file that begins so can hold memories: an object or a list, or nothing yet but blanks."""
    return BEGINNING.match(data) is not None


class Found(Frozen):
    """One JSON value and where it stands; or, in a file of lines, the `fault` of a line that is none, as a clause."""

    where: str
    value: object = None
    fault: str = ""


def values(data: bytes, source: str) -> list[Found]:
    """Return the JSON values of a file in their order.

    Raises:
        DataRefused: it is not text, or one broken document; `source`, line and column are named.
    """
    text = _text(data, source)
    try:
        return list(_behind_one_another(text, source))
    except json.JSONDecodeError as error:
        lines = [_line(line, f"{source}, line {number}") for number, line in enumerate(text.split("\n"), 1)]
        found = [each for each in lines if each is not None]
        if not _is_lines(found):
            raise DataRefused(f"{source}, line {error.lineno} {_not_json(error)}.", tip=MEND) from error
        return found


def _text(data: bytes, source: str) -> str:
    encoding = json.detect_encoding(data)
    if encoding.startswith("utf-8"):
        # What is not UTF-8 is told by the memory that holds it.
        return data.decode(encoding, "surrogateescape")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataRefused(f"{source} is not {encoding.upper()}: byte {error.start + 1}.", tip=MEND) from error


def _behind_one_another(text: str, source: str) -> Iterator[Found]:
    line, counted = 1, 0
    while (start := _blank(text, counted)) < len(text):
        line += text.count("\n", counted, start)
        value, end = _value(text, start)
        yield Found(f"{source}, line {line}", value)
        line, counted = line + text.count("\n", start, end), end


def _blank(text: str, start: int) -> int:
    found = BLANK.match(text, start)
    return found.end() if found else start


def _value(text: str, start: int) -> tuple[object, int]:
    try:
        with nesting.bounded():
            return MARKING.raw_decode(text, start)
    except nesting.NestedTooDeeply as error:
        raise json.JSONDecodeError("Nested too deeply", text, start) from error


def _line(line: str, where: str) -> Found | None:
    if _blank(line, 0) == len(line):
        return None
    try:
        return Found(where, _only_value(line))
    except json.JSONDecodeError as error:
        return Found(where, fault=_not_json(error))


def _only_value(line: str) -> object:
    value, end = _value(line, _blank(line, 0))
    if (behind := _blank(line, end)) < len(line):
        raise json.JSONDecodeError("Extra data", line, behind)
    return value


def _is_lines(found: list[Found]) -> bool:
    objects = [isinstance(each.value, dict) for each in found]
    return objects[0] or 2 * sum(objects) >= len(objects)


def _not_json(error: json.JSONDecodeError) -> str:
    return f"is not JSON: {error.msg} at column {error.colno}"
