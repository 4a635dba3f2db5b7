"""The memories that a search found, for people: lines for a pipe, a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable, readable
from ai_memory.show.table import Cell, Row, Table, Tone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ai_memory.memory.records import Hit

LONGEST = 200
"""Characters of a content that are shown."""
NOTHING = "Nothing found."
BY_WORDS = "words"
"""Stands for the cosine of a memory that has none to show, because only its words were found."""


def hit_lines(hits: Iterable[Hit]) -> list[str]:
    """Return what was found in lines, the best first."""
    lines: list[str] = []
    for hit in hits:
        place = f"{printable(hit.namespace)}  {printable(hit.title)}  ({_id(hit)})"
        lines.append(f"{_nearness(hit):<{len(BY_WORDS)}} {place}")
        lines += [f"      {line}" for line in _content(hit)]
    return lines or [NOTHING]


def hit_table(hits: Iterable[Hit]) -> Table:
    """Return what was found as a table: beside how near it is its title, place and content below each other."""
    rows: list[Row] = []
    for hit in hits:
        rows.append((Cell(_nearness(hit), Tone.FAINT), Cell(printable(hit.title), Tone.STRONG)))
        rows.append((Cell(""), Cell(f"{printable(hit.namespace)} {_id(hit)}", Tone.FAINT)))
        rows += [(Cell(""), Cell(line.expandtabs())) for line in _content(hit)]
    return Table(("", ""), tuple(rows or [(Cell(""), Cell(NOTHING))]), wide=1)


def _id(hit: Hit) -> str:
    return printable(hit.id or "no id")


def _nearness(hit: Hit) -> str:
    # Not the score: what orders one answer is not a likeness, and would be read as one.
    return BY_WORDS if hit.cosine is None else f"{hit.cosine:.2f}"


def _content(hit: Hit) -> list[str]:
    content = hit.content if len(hit.content) <= LONGEST else f"{hit.content[:LONGEST]}…"
    return readable(content).strip().split("\n")
