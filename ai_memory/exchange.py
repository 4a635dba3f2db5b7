"""The formats in which memories leave a file and enter one: JSON Lines, and ai-memory's own export JSON.

An object has one key a column. `tags`, `metadata` and other JSON columns are written as JSON where that gives back the
same bytes, else as the text they are; a BLOB is `{"base64": …}`. So import(export) is the identity.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from ai_memory.errors import DataRefused
from ai_memory.records import DEFAULT_NAMESPACE, Draft, Memory, Value
from ai_memory.rules import first_fault

NOT_STORED = frozenset({"embedding", "embedding_dim", "embedding_space", "embedded"})
"""Keys that never enter a file: vectors are made here, from the text."""
JSON_COLUMNS = frozenset({"tags", "metadata", "citations", "source_span", "confidence_signals"})
BLOB_KEY = "base64"
MADE_BY = "Check the program that made the file; nothing was imported."


def to_object(memory: Memory) -> dict[str, object]:
    """Return a memory as the object of its JSON line; columns without a value are left out."""
    return {name: _shown(name, value) for name, value in memory.values.items() if value is not None}


def _shown(name: str, value: Value) -> object:
    if isinstance(value, bytes):
        return {BLOB_KEY: base64.b64encode(value).decode()}
    if name not in JSON_COLUMNS or not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
        same = isinstance(parsed, (list, dict)) and compact(parsed) == value
    except (ValueError, RecursionError):
        return value
    return parsed if same else value


def compact(value: object) -> str:
    """Return a value as the JSON text of a column: no blanks, as ai-memory writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parse(data: bytes, source: str) -> list[Draft]:
    """Return the memories of a whole file, checked, in the order they stand in it.

    Raises:
        DataRefused: something in the file cannot be stored; `source` and the line are named.
    """
    drafts = [_draft(each) for each in _objects(data, source)]
    _refuse_repeats(drafts)
    return drafts


@dataclass(frozen=True, slots=True)
class _Found:
    """One object of a file and where it stands."""

    where: str
    value: object


def _objects(data: bytes, source: str) -> Iterator[_Found]:
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if (whole := _export_json(lines, source)) is not None:
        yield from (_Found(f"{source}, memory {n}", each) for n, each in enumerate(whole, 1))
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{source}, line {number}"
            yield _Found(where, _loads(line, where))


def _export_json(lines: list[bytes], source: str) -> list[object] | None:
    """Return the memories of an export of ai-memory, None where the file is JSON Lines."""
    first = next((line.strip() for line in lines if line.strip()), b"")
    opening = first == b"{" or first.replace(b" ", b"").startswith((b'{"memories":', b'{"count":', b'{"exported_at":'))
    if not opening:
        return None
    whole = _loads(b"\n".join(lines), source)
    memories = whole.get("memories") if isinstance(whole, dict) else None
    if not isinstance(memories, list):
        raise DataRefused(f"{source} is JSON, but has no list `memories`.", tip=MADE_BY)
    return memories


def _loads(text: bytes, where: str) -> object:
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_no_number)
    except json.JSONDecodeError as error:
        place = f"{where}, line {error.lineno}" if error.lineno > 1 else where
        raise DataRefused(f"{place} is not JSON: {error.msg} at column {error.colno}.", tip=MADE_BY) from error
    except UnicodeDecodeError as error:
        raise DataRefused(f"{where} is not UTF-8: byte {error.start + 1}.", tip=MADE_BY) from error
    except (ValueError, RecursionError) as error:
        raise DataRefused(f"{where} cannot be read: {error}.", tip=MADE_BY) from error


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _draft(found: _Found) -> Draft:
    if not isinstance(found.value, dict):
        raise DataRefused(f"{found.where} is not an object with title and content.", tip=MADE_BY)
    values = {name: _stored(value, f"{found.where}: {name}") for name, value in found.value.items()}
    given = {name: value for name, value in values.items() if name not in NOT_STORED}
    if missing := [name for name in ("title", "content") if given.get(name) is None]:
        raise DataRefused(f"{found.where} has no {' and no '.join(missing)}.", tip=MADE_BY)
    present = {name: value for name, value in given.items() if value is not None}
    if fault := first_fault(present):
        raise DataRefused(f"{found.where}: {fault}.", tip=MADE_BY)
    return Draft(given, found.where)


def _stored(value: Any, where: str) -> Value:  # noqa: ANN401 (whatever JSON can hold)
    if isinstance(value, dict) and value.keys() == {BLOB_KEY}:
        try:
            return base64.b64decode(value[BLOB_KEY], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise DataRefused(f"{where} is not base64.", tip=MADE_BY) from error
    if isinstance(value, (list, dict)):
        return compact(value)
    return int(value) if isinstance(value, bool) else value


def _refuse_repeats(drafts: list[Draft]) -> None:
    seen: dict[tuple[Value, ...], str] = {}
    for draft in drafts:
        for key in _keys(draft):
            if other := seen.get(key):
                what = f"the id {key[0]!r}" if len(key) == 1 else f"the title {key[0]!r} in namespace {key[1]!r}"
                tip = "Leave one of the two; nothing was imported."
                raise DataRefused(f"{draft.where} has {what}, as {other} has.", tip=tip)
            seen[key] = draft.where


def _keys(draft: Draft) -> Iterator[tuple[Value, ...]]:
    yield draft.values["title"], draft.values.get("namespace") or DEFAULT_NAMESPACE
    if draft.values.get("id") is not None:
        yield (draft.values["id"],)
