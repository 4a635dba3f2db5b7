"""Reads a row of a table of ours by the names of its columns: what somebody else wrote there is told as damage.

The file may come from anywhere, and SQLite keeps what it is given. Text is asked for as bytes (see `Codec.text`), a
number is believed within bounds in which it can still be counted on, and JSON only where it is what we mean; a key that
a later release added is not damage.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.text import nesting
from ai_memory.text.times import LAST_MS

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store

MOST = 2**62
"""No count of ours comes near; half of what SQLite holds, so that adding to it cannot leave what an INTEGER is."""


def selected(columns: Sequence[str], texts: Collection[str]) -> str:
    """Return the list of `columns` for a SELECT: the `texts` among them as bytes, and text that stands in another."""
    as_bytes = {name: f"CAST({name} AS BLOB)" for name in columns}
    others = {name: f"iif(typeof({name}) = 'text', {as_bytes[name]}, {name})" for name in columns}
    return ", ".join(as_bytes[name] if name in texts else others[name] for name in columns)


def object_of(text: object) -> Mapping[str, object]:
    """Return the JSON object that a text of ours is, an empty one where none can be read: for what is only told."""
    try:
        with nesting.bounded():
            found = json.loads(text) if isinstance(text, str | bytes) else None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class OwnRow:
    """One row: `what` names it in an error, `tip` says what to do about damage, `values` are its columns by name."""

    store: Store
    what: str
    tip: str
    values: Mapping[str, object]

    def whole(self, name: str, *, least: int = 0, most: int = MOST) -> int:
        """Return a whole number from `least` to `most`.

        Raises:
            DataRefused: it is something else.
        """
        value = self.values[name]
        if not isinstance(value, int) or not least <= value <= most:
            raise self.damaged(name, f"is not a whole number from {least:,} to {most:,}")
        return value

    def time(self, name: str) -> int:
        """Return a time in Unix milliseconds.

        Raises:
            DataRefused: it is not within the years 1970 to 9999.
        """
        value = self.values[name]
        if not isinstance(value, int) or not 0 <= value <= LAST_MS:
            raise self.damaged(name, "is not a time of the years 1970 to 9999")
        return value

    def time_or_none(self, name: str) -> int | None:
        """Return a time in Unix milliseconds, None where there is none.

        Raises:
            DataRefused: see `time`.
        """
        return None if self.values[name] is None else self.time(name)

    def text(self, name: str) -> str:
        """Return a text.

        Raises:
            DataRefused: there is none, or it is not valid in the file's encoding.
        """
        value = self.values[name]
        text = self.store.codec.text(value) if isinstance(value, bytes) else None
        if text is None:
            raise self.damaged(name, "is not valid text")
        return text

    def text_or_none(self, name: str) -> str | None:
        """Return a text, None where there is none.

        Raises:
            DataRefused: see `text`.
        """
        return None if self.values[name] is None else self.text(name)

    def one_of(self, name: str, known: Collection[str]) -> str:
        """Return a text that is one of the `known` ones.

        Raises:
            DataRefused: it is another.
        """
        text = self.text(name)
        if text not in known:
            raise self.damaged(name, f"is not one of {', '.join(known)}")
        return text

    def blob(self, name: str) -> bytes:
        """Return bytes.

        Raises:
            DataRefused: there are none.
        """
        value = self.values[name]
        if not isinstance(value, bytes):
            raise self.damaged(name, "is not a BLOB")
        return value

    def json(self, name: str) -> object:
        """Return what a JSON text says.

        Raises:
            DataRefused: it is not JSON, or nested deeper, or of longer numbers, than anything of ours.
        """
        try:
            with nesting.bounded():
                return json.loads(self.text(name))
        except ValueError as error:
            raise self.damaged(name, "is not JSON that can be read") from error

    def damaged(self, name: str, why: str) -> DataRefused:
        """Return the error that names the column and `why` its value cannot be ours."""
        return DataRefused(f"{self.store.db.path} is damaged: column {name} of {self.what} {why}.", tip=self.tip)
