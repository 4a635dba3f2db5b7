"""What the machine asks of a store, whichever it is: a database, what others do to it, and a look at each statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.support.promises import View

Value = str | bytes | int | float | None
TEXT = "CAST(? AS TEXT)"
"""Of SQL: a text, bound as its bytes."""


class Refused(Exception):
    """The database does not take what somebody else would write."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a runner is about to run: whether it begins a consistent look, or stands in a write transaction."""

    begins_snapshot: bool
    writing: bool


Trace = Callable[[Statement], None]


class Side(Protocol):
    """One table of memories with the eyes of another program, over a connection of its own.

    Its SQL is SQLite's where the two differ, and a memory's number is its `rowid`.
    """

    def execute(self, sql: str, bindings: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows.

        Raises:
            Refused: the database does not take it.
        """

    def view(self) -> View:
        """Return everything that the promises are about."""

    def vector(self, blob: bytes) -> Value:
        """Return what is bound for a vector that a file has as this BLOB."""

    def sent(self, column: str) -> str:
        """Return SQL for a vector as `blob` reads it."""

    def blob(self, sent: bytes | None) -> bytes | None:
        """Return a vector as a file has it."""

    def columns(self) -> list[str]:
        """Return the columns that the memories have."""

    def other_columns(self) -> list[tuple[object, ...]]:
        """Return everything in the memories that is not the vector's, row by row."""

    def has_table(self, name: str) -> bool:
        """Return whether a table of ours is there."""

    def require_sound(self) -> None:
        """Check what the store itself can check of its files."""

    def close(self) -> None:
        """Let go of the connection."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A new database: where it is, its other writers, and a shadow of what it would be without us."""

    path: Path
    file: Side
    shadow: Side


class Storage(Protocol):
    """One kind of store."""

    @property
    def beginnings(self) -> int:
        """How many kinds of database it can begin with."""

    @property
    def fixed_width(self) -> bool:
        """Whether its memories take vectors of one width: only a staged run brings them to another."""

    def begin(self, number: int) -> Begun:
        """Make a new database, of the kind of that number."""

    def traced(self, trace: Trace | None) -> AbstractContextManager[None]:
        """Show `trace` each statement, before it is run, of every connection that our program opens in the block."""

    def alone(self, path: Path) -> AbstractContextManager[None]:
        """Let nothing outlive the block of what was connected to a database within it."""

    def lose_lock(self, path: Path) -> None:
        """Take the runner's lock from whoever has it, and knows nothing of that."""

    def close(self) -> None:
        """Leave nothing of it."""
