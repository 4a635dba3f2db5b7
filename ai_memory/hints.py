"""Commands that are named to the user, made to work as printed: with the global options that were given."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from os import PathLike, fspath
from shlex import quote

PROGRAM = "ai-memory"
AGAIN = re.compile(r"(?P<after>,? then )?(?P<run>[Rr]un) the same command again\b(?P<then> then)?")


@dataclass(frozen=True, slots=True)
class Hints:
    """How commands are named: `options` are the global options as given, `commands` the names that follow them."""

    options: str = ""
    commands: Collection[str] = ()

    def __call__(self, text: str) -> str:
        """Return `text` with the options in every command of ours that it names."""
        if not self.options or not self.commands:
            return text
        named = rf"\b{PROGRAM} (?=(?:{'|'.join(self.commands)})\b)"
        return re.sub(named, lambda _: f"{PROGRAM} {self.options} ", text)


NO_HINTS = Hints()


def options_of(db: str | PathLike[str] | None, config: str | PathLike[str] | None) -> str:
    """Return the global options that name files, as a shell takes them."""
    given = (("--db", db), ("--config", config))
    return " ".join(f"{name} {quote(fspath(value))}" for name, value in given if value)


def without_again(tip: str, command: str) -> str:
    """Return a tip in which running the same command again is running `command`: the same would not do."""
    return AGAIN.sub(lambda found: f"{_lead(found)}: {command}", tip)


def _lead(found: re.Match[str]) -> str:
    if found["after"]:
        return ", then"
    return f"{'Go on' if found['run'] == 'Run' else 'go on'}{found['then'] or ''}"
