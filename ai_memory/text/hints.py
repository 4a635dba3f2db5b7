"""Commands that are named to the user, made to work as printed: with the global options that were given."""

from __future__ import annotations

import re
from collections.abc import Collection
from os import PathLike, fspath
from pathlib import Path
from shlex import quote
from shutil import which

from ai_memory.frozen import Frozen

PROGRAM = "ai-memory"
BACKFILL = f"{PROGRAM} backfill"
REEMBED = f"{PROGRAM} reembed"
GO_ON = f"{REEMBED} --resume"
SWITCH, SWITCH_BACK = f"{REEMBED} switch", f"{REEMBED} switch --back"
QUARANTINE = f"{REEMBED} quarantine"
SWITCH_WITHOUT = f"Look at them: {QUARANTINE}; to switch without them: {SWITCH} --accept-quarantined"
MAKE_ROOM = "Free some space, then run the same command again."
AGAIN = re.compile(r"(?P<after>,? then )?(?P<run>[Rr]un) the same command again\b(?P<when> then| later)?\.?")
PLAINLY_ON = re.compile(rf"\b{GO_ON}(?=\s*$|[;)]| \()")
WORD = r"(?:'[^']*'|[^\s;()'])+"
"""One word of a command that is named: it ends before a semicolon, a parenthesis or the end of the text."""
LOOKS = ("config show",)
"""Commands that only show what is to be corrected: they are not what goes on."""


class Hints(Frozen):
    """How commands are named.

    `options` are the global options as given, `commands` the names that follow them, `program` what a shell finds
    the program by.
    """

    options: str = ""
    commands: Collection[str] = ()
    program: str = PROGRAM

    def __call__(self, text: str) -> str:
        """Return `text` with the options in every command of ours that it names."""
        if not self.commands or (not self.options and self.program == PROGRAM):
            return text
        named = f"{self.program} {self.options} " if self.options else f"{self.program} "
        return re.sub(self._named, lambda _: named, text)

    def command(self, tip: str) -> str:
        """Return the command that a tip names as what goes on, the first of several; empty where it names none."""
        if not self.commands:
            return ""
        named = (found[0] for found in re.finditer(rf"{self._named}{WORD}(?: {WORD})*", tip))
        return next((each for each in named if not each.removeprefix(f"{PROGRAM} ").startswith(LOOKS)), "")

    @property
    def _named(self) -> str:
        # Not what was named by its path already.
        return rf"(?<![\w/-]){PROGRAM} (?=(?:{'|'.join(self.commands)})\b)"


NO_HINTS = Hints()


def program_of(started: str) -> str:
    """Return what a shell finds the program by that was started as `started`: its path where PATH leads to no such."""
    path = Path(started)
    if path.name != PROGRAM or "/" not in started:
        return PROGRAM
    found = which(PROGRAM)
    return PROGRAM if found and path.exists() and Path(found).samefile(path) else quote(str(path.absolute()))


def options_of(db: str | PathLike[str] | None, config: str | PathLike[str] | None) -> str:
    """Return the global options that name files, as a shell takes them."""
    given = (("--db", db), ("--config", config))
    return " ".join(f"{name} {quote(_no_option(fspath(value)))}" for name, value in given if value)


def _no_option(path: str) -> str:
    return f"./{path}" if path.startswith("-") else path


def without_again(tip: str, command: str) -> str:
    """Return a tip in which running the same command again is running `command`: the same would not do.

    Plainly going on is that command, too: it keeps the flags that were given.
    """
    if not command:
        return tip
    if command.startswith(GO_ON):
        tip = PLAINLY_ON.sub(lambda _: command, tip)
    return AGAIN.sub(lambda found: f"{_lead(found)}: {command}", tip)


def changes_flag(tip: str, command: str) -> bool:
    """Return whether a tip asks for another value of a flag that `command` has: as it stands it would not do."""
    return any(flag in command.split() for flag in re.findall(r"--[a-z-]+", tip))


def _lead(found: re.Match[str]) -> str:
    if found["after"]:
        return ", then"
    return f"{'Go on' if found['run'] == 'Run' else 'go on'}{found['when'] or ''}"
