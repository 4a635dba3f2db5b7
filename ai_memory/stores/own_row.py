"""Reads a row of a table of ours by the names of its columns: what somebody else wrote there is told as damage.

The database may come from anywhere, and SQLite keeps what it is given: there text is asked for as bytes (see
`Codec.text`). A number is believed within bounds in which it can still be counted on, and JSON only where it is what we
mean; a key that a later release added is not damage.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

from ai_memory.errors import DataRefused
from ai_memory.frozen import Frozen
from ai_memory.text import nesting
from ai_memory.text.times import LAST_MS

if TYPE_CHECKING:
    from ai_memory.memory.text_codec import Codec

MOST = 2**62
"""No count of ours comes near; half of what SQLite holds, so that adding to it cannot leave what an INTEGER is."""


class Origin(Protocol):
    """The open database that a row was read from."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def codec(self) -> Codec:
        """The encoding of its texts."""


def object_of(text: object) -> Mapping[str, object]:
    """Return the JSON object that a text of ours is, an empty one where none can be read: for what is only told."""
    try:
        with nesting.bounded():
            found = json.loads(text) if isinstance(text, str | bytes) else None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class OwnRow(Frozen):
    """One row: `what` names it in an error, `tip` says what to do about damage, `values` are its columns by name."""

    store: Origin
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
        text = self._text(name)
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

    def is_one_of(self, name: str, known: Collection[str]) -> bool:
        """Return whether a text is one of the `known` ones, whatever else it may be."""
        return self._text(name) in known

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

    def _text(self, name: str) -> str | None:
        value = self.values[name]
        if isinstance(value, bytes):
            return self.store.codec.text(value)
        return value if isinstance(value, str) else None

    def damaged(self, name: str, why: str) -> DataRefused:
        """Return the error that names the column and `why` its value cannot be ours."""
        return DataRefused(f"{self.store.name} is damaged: column {name} of {self.what} {why}.", tip=self.tip)
