"""Settings in words for people: lines for a pipe, tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import printable
from ai_memory.show.table import Table, Tone, facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ai_memory.commands.kept_settings import KeptSettings


class SettingWords(Frozen):
    """A setting: its name, its value without a key, and where it came from, empty where that says nothing."""

    name: str
    value: object
    source: str = ""

    @property
    def text(self) -> str:
        """The value in words."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        return printable(str(self.value)) if self.value else "-"


def setting_lines(settings: Sequence[SettingWords]) -> list[str]:
    """Return a line for each setting, in three columns."""
    name = max(len(each.name) for each in settings)
    value = max(len(each.text) for each in settings if each.source)
    return [f"{each.name:<{name}}  {each.text:<{value}}  {each.source}".rstrip() for each in settings]


def setting_tables(settings: Iterable[SettingWords], told: Iterable[str]) -> list[Table]:
    """Return the settings as a table, and below it what is `told` of them."""
    rows = [(each.name, f"{each.text} ({each.source})" if each.source else each.text) for each in settings]
    return [
        facts(*((name, text, Tone.PLAIN) for name, text in rows)),
        facts(*(("", line, Tone.PLAIN) for line in told)),
    ]


def kept_line(each: KeptSettings) -> str:
    """Return what a space that the file knows is kept as."""
    which = ", ".join(f"{name} = {value}" for name, value in each.settings.items()) or "-"
    return printable(f"Vectors of {each.space}, {each.dim} wide, are kept as of: {which}; {each.used}.")
