"""Draws a table for a terminal: aligned, within its width, and so that a command can be copied as it is printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING
from unicodedata import category, east_asian_width

from ai_memory.show.table import Cell, Row, Table, Tone
from ai_memory.text.hints import PROGRAM, WORD

if TYPE_CHECKING:
    from ai_memory.show.screen import Look

GAP = "  "
LEAST = 24
"""Columns below which a text is hard to read: then each row is put below the other, cell by cell."""
COMMAND = re.compile(rf"(?:'[^']*/{PROGRAM}'|[^\s']*/{PROGRAM}|\b{PROGRAM})(?: {WORD}(?<![:,.]))+")
GLUE = "\n"
"""Stands for a blank inside a command, which is not to be broken; no text has one of its own."""


def drawn(table: Table, clean: Callable[[str], str], columns: int, look: Look) -> Iterator[str]:
    """Return the lines of a table in so many columns; `clean` returns a text with nothing in it that cannot be seen."""
    if not table.rows:
        return
    rows = [tuple(Cell(clean(each.text), each.tone) for each in row) for row in table.rows]
    head = tuple(Cell(name, Tone.FAINT) for name in table.head)
    widths = [max(map(cells_of, column)) for column in zip(head, *rows, strict=True)]
    # A column in which nothing stands takes no room.
    shown = [at for at in range(len(head)) if any(row[at].text for row in rows)]
    room = columns - sum(widths[at] + len(GAP) for at in shown if at != table.wide)
    if room < min(widths[table.wide], LEAST):
        for row in rows:
            yield from _below_each_other(table, row, columns, look)
        return
    widths[table.wide] = min(widths[table.wide], room)
    for row in [head, *rows] if any(table.head) else rows:
        yield from _beside_each_other(table, row, {at: widths[at] for at in shown}, look)


def _beside_each_other(table: Table, row: Row, widths: dict[int, int], look: Look) -> Iterator[str]:
    parts = wrapped(row[table.wide].text, widths.get(table.wide, 0))
    for number, part in enumerate(parts):
        line = []
        for at, width in widths.items():
            text = part if at == table.wide else row[at].text if number == 0 else ""
            padding = " " * (width - _width(text))
            told = painted(Cell(text, row[at].tone), look)
            line.append(f"{padding}{told}" if at in table.right else f"{told}{padding}")
        yield GAP.join(line).rstrip()


def _below_each_other(table: Table, row: Row, columns: int, look: Look) -> Iterator[str]:
    if not any(table.head):
        yield from _each_on_its_own(row, columns, look)
        return
    first = row[table.wide]
    for part in wrapped(first.text, columns):
        yield painted(Cell(part, first.tone), look)
    others = [(name, each) for at, (name, each) in enumerate(zip(table.head, row, strict=True)) if at != table.wide]
    told = [f"{name} {each.text}".strip() for name, each in others if each.text]
    for part in wrapped(", ".join(told), columns - len(GAP)) if told else ():
        yield GAP + painted(Cell(part, Tone.FAINT), look)


def _each_on_its_own(row: Row, columns: int, look: Look) -> Iterator[str]:
    """Return the lines of a row whose cells have no names: the first of them is what the others tell of."""
    first, *others = row
    for part in wrapped(first.text, columns) if first.text else ():
        yield painted(Cell(part, first.tone), look)
    for each in others:
        for part in wrapped(each.text, columns - len(GAP)) if each.text else ():
            yield GAP + painted(Cell(part, each.tone), look)


def painted(cell: Cell, look: Look) -> str:
    """Return a text in the colour of its tone, where colours are shown."""
    if not (look.colours and cell.text and cell.tone.value):
        return cell.text
    return f"\x1b[{cell.tone.value}m{cell.text}\x1b[0m"


def wrapped(text: str, width: int) -> Sequence[str]:
    """Return a text in parts of at most so many columns: broken between words, else inside one, never in a command.

    Blanks at its beginning stand before each part, where they take less than half of the columns.
    """
    said = text.lstrip(" ")
    blanks = len(text) - len(said)
    before = " " * blanks if 2 * blanks < width else ""
    return [before + part for part in _broken(said, width - len(before))]


def _broken(text: str, width: int) -> list[str]:
    parts: list[str] = []
    line = ""
    for word in COMMAND.sub(lambda found: found[0].replace(" ", GLUE), text).split(" "):
        if line and _width(line) + 1 + _width(word) > width:
            parts.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
        while GLUE not in line and _width(line) > width > 1:
            head = _fitting(line, width)
            parts.append(line[:head])
            line = line[head:]
    return [each.replace(GLUE, " ") for each in (*parts, line)]


def _fitting(text: str, width: int) -> int:
    """Return how many characters of a text fit into so many columns, at least one."""
    taken = 0
    for at, character in enumerate(text):
        taken += _width(character)
        if taken > width and at:
            return at
    return len(text)


def cells_of(cell: Cell) -> int:
    """Return how many columns of a terminal a cell takes in one line."""
    return _width(cell.text)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    """Return how many columns a character takes (Unicode's East_Asian_Width; marks stand on the one before them)."""
    if category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
