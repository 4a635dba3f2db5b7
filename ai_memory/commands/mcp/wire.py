"""The id of a request in a line that cannot be read as JSON, so that whoever waits for its answer gets one."""

from __future__ import annotations

import re
from typing import cast

from ai_memory.memory.text_codec import is_text
from ai_memory.text.strict_json import loads

PART = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|[^\s\[\]{}:,"]+')
WHOLE = re.compile(r"-?[0-9]{1,18}")
KEY = '"id"'


def request_id(line: str) -> int | str | None:
    """Return the id that stands in the outermost object of a line, None where there is none that can be sent back."""
    depth, before = 0, ""
    for found in PART.finditer(line):
        part = found[0]
        if depth == 1 and before == KEY:
            return _value(part)
        depth += (part in "[{") - (part in "]}")
        before = part
    return None


def _value(part: str) -> int | str | None:
    if WHOLE.fullmatch(part):
        return int(part)
    try:
        text = cast("str", loads(part)) if part.startswith('"') else ""
    except ValueError:
        return None
    return text if text and is_text(text) else None
