"""A query as one line of a file or of a program that asks: a text as it is, or a JSON object.

An object has the text as `query`, and may have an `id`, a `namespace` and a `limit`. Where it has a `text`, that is the
text, and `query` the id: so test collections name them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ai_memory.errors import DataRefused
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import is_text
from ai_memory.text.cleaning import one_line
from ai_memory.text.strict_json import loads

MAX_LIMIT = 10_000
LONGEST = 2**20
"""Bytes of a query at most; nobody asks so much, and a device of zeros must end somewhere."""
KEYS = ("query", "text", "id", "namespace", "limit")
AS_LINE = 'Write a text, or {"query": "…"} with id, namespace and limit as you like.'


class QueryLine(Frozen):
    """A query: its text, and the id by which its answer is known; of the rest None where nothing is said."""

    id: str | int
    text: str
    namespace: str | None = None
    limit: int | None = None


def parse_query(raw: bytes, number: int, source: str) -> QueryLine:
    """Return the query of line `number` of `source`; that number is its id where it names none.

    Raises:
        DataRefused: it is not a query; the line is named.
    """
    where = f"{source}, line {number}"
    try:
        line = raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise DataRefused(f"{where} is not UTF-8: byte {error.start + 1}.", tip="Write it in UTF-8.") from error
    found = _object(line, where) if line.startswith("{") else {"query": line}
    if unknown := [key for key in found if key not in KEYS]:
        raise DataRefused(f"{where} has the unknown key {one_line(unknown[0], most=40)!r}.", tip=AS_LINE)
    text_key = "text" if "text" in found else "query"
    text = found.get(text_key)
    if not isinstance(text, str) or not text.strip() or not is_text(text):
        what = "is blank" if not line else "has no text to look for"
        raise DataRefused(f"{where} {what}.", tip=AS_LINE)
    given = {"id": found.get("query")} if text_key == "text" else {}
    return QueryLine(
        _id({**given, **found}.get("id"), number, where), text, _namespace(found, where), _limit(found, where)
    )


def _object(line: str, where: str) -> Mapping[str, object]:
    try:
        found = loads(line)
    except ValueError as error:
        raise DataRefused(f"{where} is not a JSON object: {one_line(str(error), most=80)}.", tip=AS_LINE) from error
    # What begins with a brace and is JSON is an object.
    return found if isinstance(found, dict) else {}


def _id(value: object, number: int, where: str) -> str | int:
    if value is None:
        return number
    if isinstance(value, str | int) and not isinstance(value, bool):
        return value
    raise DataRefused(f"{where} has an id that is neither a text nor a whole number.", tip=AS_LINE)


def _namespace(found: Mapping[str, object], where: str) -> str | None:
    value = found.get("namespace")
    if value is None or isinstance(value, str):
        return value
    raise DataRefused(f"{where} has a namespace that is not a text.", tip=AS_LINE)


def _limit(found: Mapping[str, object], where: str) -> int | None:
    value = found.get("limit")
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_LIMIT:
        return value
    raise DataRefused(f"{where} has a limit that is not a whole number from 1 to {MAX_LIMIT:,}.", tip=AS_LINE)
