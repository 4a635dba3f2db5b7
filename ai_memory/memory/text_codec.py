"""How ids, namespaces and texts travel between SQLite and Python without loss.

A file in the field can hold text that is not valid UTF-8; asking SQLite for it as text would abort the
whole page. So text is read as bytes (`CAST(… AS BLOB)`) and bound as bytes (`CAST(? AS TEXT)`). Ids and
namespaces become strings in which an invalid byte is a lone surrogate (PEP 383): they name a row
again exactly, and can be printed with `printable`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai_memory.text.invisible import escaped

if TYPE_CHECKING:
    from ai_memory.memory.envelope import Opener


@dataclass(frozen=True, slots=True)
class Codec:
    """The text encoding of one database file, as `PRAGMA encoding` names it; `opener` opens encrypted texts."""

    encoding: str
    opener: Opener | None = None
    is_utf8: bool = field(init=False)
    """Whether stored text is UTF-8, as hashes of texts are. Found out once: it is asked several times for every row."""

    def __post_init__(self) -> None:
        """Find out what the encoding is."""
        object.__setattr__(self, "is_utf8", self.encoding == "UTF-8")

    @property
    def _python(self) -> tuple[str, str]:
        if self.is_utf8:
            return "utf-8", "surrogateescape"
        return self.encoding.lower(), "surrogatepass"

    def name(self, stored: bytes) -> str:
        """Return an id or a namespace read as bytes."""
        return stored.decode("utf-8", "surrogateescape") if self.is_utf8 else stored.decode(*self._python)

    def bound(self, name: str) -> bytes:
        """Return the bytes to bind for an id or a namespace."""
        try:
            return name.encode("utf-8", "surrogateescape") if self.is_utf8 else name.encode(*self._python)
        except UnicodeEncodeError:
            # Half a surrogate pair, out of a database in UTF-16: these are the bytes SQLite makes of one.
            return name.encode("utf-8", "surrogatepass")

    def text(self, stored: bytes) -> str | None:
        """Return a text read as bytes, None where it is not valid."""
        try:
            return stored.decode() if self.is_utf8 else stored.decode(self._python[0])
        except UnicodeError:
            return None


def is_text(text: str) -> bool:
    """Return whether all of a text is valid; bytes of the command line that are not UTF-8 come as lone surrogates."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def quoted(identifier: str) -> str:
    """Return a name that stands in a file, ready to stand in SQL: as an identifier, whatever is in it."""
    return '"{}"'.format(identifier.replace('"', '""'))


def printable(name: str) -> str:
    """Return an id or a namespace for people: what cannot be seen is escaped, emoji stay whole."""
    return escaped(name, names=True)


def readable(text: str) -> str:
    """Return a text for people: lines and tabs stay, everything else that cannot be seen is escaped."""
    return escaped(text, keep="\n\t")
