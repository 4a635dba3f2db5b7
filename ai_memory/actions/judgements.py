"""What people said of how well memories answer queries: lines of a query's id, a memory's id and a gain, with tabs."""

from __future__ import annotations

from collections.abc import Iterable

from ai_memory.actions.measure import LARGEST_GAIN
from ai_memory.errors import DataRefused
from ai_memory.text.cleaning import one_line

AS_LINE = "Write a query's id, a memory's id and a gain, with tabs between them; the higher the gain, the better."
Judgements = dict[str, dict[str, int]]
"""The gain of each memory that was judged, by its id, by the id of the query."""


def parse_judgements(lines: Iterable[tuple[int, bytes]], source: str) -> Judgements:
    """Return the judgements of a file's numbered lines.

    Raises:
        DataRefused: a line is not one, or judges what was judged; it is named.
    """
    found: Judgements = {}
    for number, raw in lines:
        where = f"{source}, line {number}"
        query, memory, gain = _columns(raw, where)
        if memory in found.setdefault(query, {}):
            what = (
                f"{where} judges the memory {one_line(memory, most=40)} for the query {one_line(query, most=40)} again."
            )
            raise DataRefused(what, tip="Leave one of the two out.")
        found[query][memory] = gain
    return found


def _columns(raw: bytes, where: str) -> tuple[str, str, int]:
    try:
        columns = raw.decode("utf-8").split("\t")
    except UnicodeDecodeError as error:
        raise DataRefused(f"{where} is not UTF-8: byte {error.start + 1}.", tip="Write it in UTF-8.") from error
    if len(columns) != 3 or not all(each.strip() for each in columns):
        raise DataRefused(f"{where} does not have three columns.", tip=AS_LINE)
    query, memory, gain = (each.strip() for each in columns)
    if not (gain.isascii() and gain.isdigit() and len(gain) <= 3 and int(gain) <= LARGEST_GAIN):
        what = f"{where} has a gain that is not a whole number from 0 to {LARGEST_GAIN}."
        raise DataRefused(what, tip=AS_LINE)
    return query, memory, int(gain)
