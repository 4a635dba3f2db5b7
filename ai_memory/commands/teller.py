"""Who hears what a command has to say beside its result."""

from __future__ import annotations

from typing import Protocol

from ai_memory.frozen import Frozen, field


class Teller(Protocol):
    """Who hears what is said, as a note or as a warning."""

    def note(self, text: str, /) -> None:
        """Hear what may be of interest."""

    def warn(self, text: str, /) -> None:
        """Hear what should not be so."""


class Notes(Frozen):
    """Keeps what it hears, each text once, in the order in which it came."""

    texts: list[str] = field(default_factory=list)

    def note(self, text: str, /) -> None:
        """See `Teller`."""
        if text not in self.texts:
            self.texts.append(text)

    def warn(self, text: str, /) -> None:
        """See `Teller`."""
        self.note(text)


class Once(Frozen):
    """Passes on what it hears to `teller`, nothing of it twice: much holds for many queries."""

    teller: Teller
    heard: set[str] = field(default_factory=set)

    def note(self, text: str, /) -> None:
        """See `Teller`."""
        if text not in self.heard:
            self.heard.add(text)
            self.teller.note(text)

    def warn(self, text: str, /) -> None:
        """See `Teller`."""
        if text not in self.heard:
            self.heard.add(text)
            self.teller.warn(text)
