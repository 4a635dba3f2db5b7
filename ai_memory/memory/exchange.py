"""The formats in which memories leave a file and enter one: JSON Lines, and ai-memory's own export JSON.

An object has one key a column. `tags`, `metadata` and other JSON columns are written as JSON where that gives back the
same bytes, else as the text they are; a BLOB is `{"base64": …}`. A value that no new memory may have is
`{"$stored": …}`: it comes back as it stood, past the rules. So import(export) is the identity. A link between two
memories is a line `{"link": {…}}`, or stands in the list `links` of an export.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ai_memory.errors import DataRefused
from ai_memory.memory.records import DEFAULT_NAMESPACE, OF_VECTOR, Draft, Value
from ai_memory.memory.rules import NUMBERS, first_fault
from ai_memory.text.cleaning import one_line
from ai_memory.text.json_file import Found, values
from ai_memory.text.strict_json import Flaw, compact, loads
from ai_memory.text.times import in_utc

JSON_COLUMNS = frozenset({"tags", "metadata", "citations", "source_span", "confidence_signals"})
BYTE_LISTS = frozenset({"signature"})
"""Columns of bytes that the Rust program's export writes as a list of numbers."""
STORED_KEY = "$stored"
BLOB_KEY, UTF8_KEY, UTF16_KEY, REAL_KEY = "base64", "utf8", "utf16", "real"
"""What JSON has no form for: a BLOB, a text that is not valid, an infinite number."""
LINK_KEY = "link"
MEND = "Mend it, or leave out what cannot be stored: --skip-invalid. Nothing was imported."


@dataclass(slots=True)
class Parsed:
    """What a file holds, in its order; `refused` says of each thing that cannot be stored where it stands and why."""

    memories: list[Draft] = field(default_factory=list)
    links: list[Draft] = field(default_factory=list)
    refused: list[DataRefused] = field(default_factory=list)


def to_object(columns: Mapping[str, Value]) -> dict[str, object]:
    """Return a row as the object of its JSON line."""
    return {name: _shown(name, value) for name, value in columns.items()}


def _shown(name: str, value: Value) -> object:
    if first_fault({name: value}):
        return {STORED_KEY: _typed(value)}
    if isinstance(value, bytes):
        return _typed(value)
    if name not in JSON_COLUMNS or not isinstance(value, str):
        return value
    try:
        parsed = loads(value)
        same = isinstance(parsed, (list, dict)) and compact(parsed) == value
    except ValueError:
        return value
    return parsed if same and not _is_form(parsed, STORED_KEY) else value


def _typed(value: Value) -> object:
    if isinstance(value, bytes):
        return {BLOB_KEY: base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {REAL_KEY: str(value)}
    return value if not isinstance(value, str) or not first_fault({"": value}) else _invalid_text(value)


def _invalid_text(value: str) -> object:
    try:
        return {UTF8_KEY: base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()}
    except UnicodeEncodeError:
        # Half a surrogate pair, as a database in UTF-16 can hold it.
        return {UTF16_KEY: base64.b64encode(value.encode("utf-16-le", "surrogatepass")).decode()}


def parse(data: bytes, source: str) -> Parsed:
    """Return the memories and links of a whole file, checked.

    Raises:
        DataRefused: the file is not JSON, or not a list of memories; `source`, line and column are named.
    """
    parsed = Parsed()
    seen: dict[tuple[Value, ...], str] = {}
    for found in values(data, source):
        for part in _parts(found):
            try:
                _take(part, parsed, seen)
            except DataRefused as refusal:
                parsed.refused.append(refusal)
    return parsed


def _parts(found: Found) -> Iterator[Found]:
    value = found.value
    place = found.where.removesuffix(", line 1")
    if isinstance(value, list):
        yield from _numbered(value, f"{place}, memory")
    elif isinstance(value, dict) and value.keys() & {"memories", "links"} and not value.keys() & {"title", "content"}:
        for key, name in (("memories", "memory"), ("links", "link")):
            many = value.get(key, [])
            if not isinstance(many, list):
                raise DataRefused(f"{place} is JSON, but has no list `{key}`.", tip="Nothing was imported.")
            yield from _numbered([{LINK_KEY: each} for each in many] if key == "links" else many, f"{place}, {name}")
    else:
        yield found


def _numbered(many: list[object], what: str) -> Iterator[Found]:
    return (Found(f"{what} {number}", each) for number, each in enumerate(many, 1))


def _take(found: Found, parsed: Parsed, seen: dict[tuple[Value, ...], str]) -> None:
    if found.fault:
        raise DataRefused(f"{found.where} {found.fault}.", tip=MEND)
    if isinstance(found.value, dict) and found.value.keys() == {LINK_KEY}:
        parsed.links.append(_draft(found.value[LINK_KEY], found.where, "source_id", "target_id"))
        return
    draft = _draft(found.value, found.where, "title", "content")
    _refuse_repeats(draft, seen)
    parsed.memories.append(draft)


def _draft(value: object, where: str, *required: str) -> Draft:
    if isinstance(value, Flaw):
        raise DataRefused(f"{where} {value.why}.", tip=MEND)
    if not isinstance(value, dict):
        raise DataRefused(f"{where} is not an object with {' and '.join(required)}.", tip=MEND)
    # Vectors are made here, from the text.
    given = {name: each for name, each in value.items() if name not in OF_VECTOR}
    try:
        columns = {name: _stored(name, each) for name, each in given.items()}
    except ValueError as error:
        raise DataRefused(f"{where}: {error}.", tip=MEND) from error
    if missing := [name for name in required if columns.get(name) is None]:
        raise DataRefused(f"{where} has no {' and no '.join(missing)}.", tip=MEND)
    new = {name: each for name, each in columns.items() if not _is_form(given[name], STORED_KEY)}
    if fault := first_fault(new):
        raise DataRefused(f"{where}: {fault}.", tip=MEND)
    return Draft(columns, where)


def _stored(name: str, value: Any) -> Value:  # noqa: ANN401 (whatever JSON can hold)
    try:
        if _is_form(value, STORED_KEY):
            return _untyped(value[STORED_KEY])
        if _is_form(value, BLOB_KEY) and name not in JSON_COLUMNS:
            return _bytes(value[BLOB_KEY])
        if name in BYTE_LISTS and isinstance(value, list):
            return _byte_list(value)
        if isinstance(value, (list, dict, Flaw)):
            return compact(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error
    if name == "expires_at" and isinstance(value, str):
        return in_utc(value) or value
    if isinstance(value, bool) and name in NUMBERS:
        raise ValueError(f"{name} must be a number, not {str(value).lower()}")
    return int(value) if isinstance(value, bool) else value


def _untyped(value: Any) -> Value:  # noqa: ANN401 (whatever JSON can hold)
    if _is_form(value, BLOB_KEY):
        return _bytes(value[BLOB_KEY])
    if _is_form(value, UTF8_KEY):
        return _bytes(value[UTF8_KEY]).decode("utf-8", "surrogateescape")
    if _is_form(value, UTF16_KEY):
        return _utf16(_bytes(value[UTF16_KEY]))
    if _is_form(value, REAL_KEY) and value[REAL_KEY] in ("inf", "-inf"):
        return float(value[REAL_KEY])
    fits = value is None or (isinstance(value, (str, int, float)) and not first_fault({"": value}))
    if not fits:
        raise ValueError(f"holds what this ai-memory does not know under {STORED_KEY}")
    return int(value) if isinstance(value, bool) else value


def _is_form(value: object, key: str) -> bool:
    return isinstance(value, dict) and value.keys() == {key}


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except ValueError as error:
        raise ValueError("is not base64") from error


def _byte_list(value: list[object]) -> bytes:
    if not all(isinstance(each, int) and each in range(256) for each in value):
        raise ValueError("must be a list of bytes, 0 to 255")
    return bytes(each for each in value if isinstance(each, int))


def _utf16(data: bytes) -> str:
    try:
        return data.decode("utf-16-le", "surrogatepass")
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-16") from error


def _refuse_repeats(draft: Draft, seen: dict[tuple[Value, ...], str]) -> None:
    keys = list(_keys(draft))
    for key in keys:
        if other := seen.get(key):
            shown = [repr(one_line(str(part))) for part in key]
            what = f"the id {shown[0]}" if len(key) == 1 else f"the title {shown[0]} in namespace {shown[1]}"
            raise DataRefused(f"{draft.where} has {what}, as {other} has.", tip=MEND)
    seen.update(dict.fromkeys(keys, draft.where))


def _keys(draft: Draft) -> Iterator[tuple[Value, ...]]:
    yield draft.values["title"], draft.values.get("namespace", DEFAULT_NAMESPACE)
    if draft.values.get("id") is not None:
        yield (draft.values["id"],)
