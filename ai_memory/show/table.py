"""What people see of a result on a terminal: tables of cells, each with a tone. How it is drawn is in `drawing`."""

from __future__ import annotations

from enum import Enum

from ai_memory.frozen import Frozen


class Tone(Enum):
    """How a cell is meant; the value is its colour on a terminal (ECMA-48: SGR), empty for that of all text."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    WELL = "32"
    WAITS = "33"
    NEEDS = "31"


class Cell(Frozen):
    """A text on one line, and how it is meant."""

    text: str
    tone: Tone = Tone.PLAIN


Row = tuple[Cell, ...]


class Table(Frozen):
    """Rows of as many cells as `head` has names (all empty: it is not shown).

    The column number `wide` has the room that the others leave, and is the only one whose cells take several lines;
    those of `right` are numbers.
    """

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    wide: int
    right: frozenset[int] = frozenset()


def facts(*told: tuple[str, str, Tone]) -> Table:
    """Return a table of facts: the name of each, its text, and how it is meant."""
    return Table(("", ""), tuple((Cell(name, Tone.FAINT), Cell(text, tone)) for name, text, tone in told), wide=1)
