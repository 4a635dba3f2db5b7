#!/usr/bin/env python3
"""Writes docs/reference.md and the man page from the parsers and the table of exit codes.

Usage: .venv/bin/python scripts/reference.py

tests/test_docs.py compares the files with what this would write.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from ai_memory.cli import whole_parser
from ai_memory.commands.parser import EXIT_CODES, Parser, add_global_flags

HEAD = """# Reference

Written by `scripts/reference.py` from the program itself.

`ai-memory [global options] COMMAND …`, also `python -m ai_memory`. Results go to stdout; progress, notes, warnings
and errors to stderr. An error is one line.

## Global options

They are taken before and after the command.
"""


MAN_HEAD = r""".\" Written by scripts/reference.py from the program itself.
.TH AI\-MEMORY 1 "" "ai\-memory" "User Commands"
.ad l
.SH NAME
ai\-memory \- long\-term memory of AI agents in one SQLite file
.SH SYNOPSIS
.B ai\-memory
[global options]
.I COMMAND
\&...
.SH DESCRIPTION
Results go to standard output; progress, notes, warnings and errors to standard error. An error is one line.
.SH GLOBAL OPTIONS
They are taken before and after the command."""
MAN_FOOT = r""".SH FILES
.TP
.I $XDG_CONFIG_HOME/ai\-memory/config.toml
The configuration, else
.IR \(ti/.config/ai\-memory/config.toml .
.TP
.I ai\-memory.db
The database, in the current folder, where nothing names another.
.SH ENVIRONMENT
.TP
.B AI_MEMORY_DB
The database file.
.TP
.B AI_MEMORY_NO_CONFIG
1: no configuration file is read.
.PP
For others
.B ai\-memory config show
says which variable a setting came from."""
ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write the page and the man page."""
    (ROOT / "docs" / "reference.md").write_text("\n".join(page()), "utf-8")
    (ROOT / "ai_memory" / "man").mkdir(exist_ok=True)
    (ROOT / "ai_memory" / "man" / "ai-memory.1").write_text("\n".join(man_page()), "utf-8")


def page() -> Iterator[str]:
    """Yield the lines of docs/reference.md."""
    yield HEAD
    general, shared = global_flags()
    yield from options_table(general, leave_out=set())
    for parser in whole_parser()[1].values():
        yield from section(parser, parser.description or "", level=2, leave_out=shared)
    yield "## Exit codes\n\n| code | meaning |\n| --- | --- |"
    yield from (f"| {code} | {meaning} |" for code, meaning in sorted(EXIT_CODES.items()))
    yield ""


def man_page() -> Iterator[str]:
    """Yield the lines of the man page."""
    yield MAN_HEAD
    general, shared = global_flags()
    yield from man_entries(entries(general, leave_out=set()))
    yield ".SH COMMANDS"
    for command in whole_parser()[1].values():
        for parser in [command, *below(command)]:
            yield f".SS {roff(parser.prog)}"
            yield roff(parser.description or "") or ".br"
            yield from man_entries(entries(parser, leave_out=shared))
    yield ".SH EXIT STATUS"
    yield from man_entries((str(code), meaning) for code, meaning in sorted(EXIT_CODES.items()))
    yield MAN_FOOT
    yield ""


def man_entries(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a paragraph of the man page for each name and its meaning."""
    for name, meaning in found:
        yield f".TP\n.B {roff(name)}\n{roff(meaning) or '.br'}"


def roff(text: str) -> str:
    """Return a text as roff shows it: nothing in it is a command."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def global_flags() -> tuple[argparse.ArgumentParser, set[str]]:
    """Return a parser of the global flags alone, and their names."""
    general = Parser(add_help=False)
    add_global_flags(general)
    return general, {name for action in general._actions for name in action.option_strings}


def below(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return the parsers of the commands below a command."""
    groups = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return [each for group in groups for each in group.choices.values()]


def section(parser: argparse.ArgumentParser, summary: str, *, level: int, leave_out: set[str]) -> Iterator[str]:
    """Yield the part about one command, then the parts about the commands below it."""
    yield f"{'#' * level} {parser.prog}\n"
    if summary:
        yield f"{summary}\n"
    yield from options_table(parser, leave_out=leave_out)
    for each in below(parser):
        yield from section(each, each.description or "", level=level + 1, leave_out=leave_out)


def options_table(parser: argparse.ArgumentParser, *, leave_out: set[str]) -> Iterator[str]:
    """Yield the table of a parser's arguments, nothing where it has none."""
    rows = [row(*entry) for entry in entries(parser, leave_out=leave_out)]
    if rows:
        yield "| argument | meaning |\n| --- | --- |"
        yield from rows
        yield ""


def entries(parser: argparse.ArgumentParser, *, leave_out: set[str]) -> list[tuple[str, str]]:
    """Return each argument of a parser, as it is typed, and its meaning."""
    actions = (action for action in parser._actions if not leave_out & set(action.option_strings))
    return [entry(action) for action in actions if described(action)]


def described(action: argparse.Action) -> bool:
    """Whether an argument has a line of its own: not --help, nothing hidden, no list of commands."""
    left_out = isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
    return not left_out and action.help != argparse.SUPPRESS


def entry(action: argparse.Action) -> tuple[str, str]:
    """Return an argument as it is typed, and its meaning."""
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper().replace("_", "-")
    value = "" if action.nargs == 0 else f" {metavar}"
    names = ", ".join(action.option_strings)
    shown = f"{names}{value}" if names else metavar
    return shown, (action.help or "") % {"default": action.default, "prog": "ai-memory"}


def row(shown: str, meaning: str) -> str:
    """Return the table's line for one argument."""
    bar = r"\|"
    cells = (f"`{shown}`", meaning)
    return f"| {' | '.join(cell.replace('|', bar) for cell in cells)} |"


if __name__ == "__main__":
    main()
