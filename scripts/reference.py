#!/usr/bin/env python3
"""Writes docs/reference.md from the parsers and the table of exit codes.

Usage: .venv/bin/python scripts/reference.py > docs/reference.md

tests/test_docs.py compares the file with what this prints.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from ai_memory.cli import whole_parser
from ai_memory.commands.parser import EXIT_CODES, Parser, add_global_flags

HEAD = """# Reference

Written by `scripts/reference.py` from the program itself.

`ai-memory [global options] COMMAND …`, also `python -m ai_memory`. Results go to stdout; progress, notes, warnings
and errors to stderr. An error is one line.

## Global options

They are taken before and after the command.
"""


def main() -> None:
    """Print the page."""
    print("\n".join(page()), end="")


def page() -> Iterator[str]:
    """Yield the lines of docs/reference.md."""
    yield HEAD
    general = Parser(add_help=False)
    add_global_flags(general)
    yield from options_table(general, leave_out=set())
    shared = {name for action in general._actions for name in action.option_strings}
    for parser in whole_parser()[1].values():
        yield from section(parser, parser.description or "", level=2, leave_out=shared)
    yield "## Exit codes\n\n| code | meaning |\n| --- | --- |"
    yield from (f"| {code} | {meaning} |" for code, meaning in sorted(EXIT_CODES.items()))
    yield ""


def section(parser: argparse.ArgumentParser, summary: str, *, level: int, leave_out: set[str]) -> Iterator[str]:
    """Yield the part about one command, then the parts about the commands below it."""
    yield f"{'#' * level} {parser.prog}\n"
    if summary:
        yield f"{summary}\n"
    yield from options_table(parser, leave_out=leave_out)
    for group in parser._actions:
        if isinstance(group, argparse._SubParsersAction):
            for below in group.choices.values():
                yield from section(below, below.description or "", level=level + 1, leave_out=leave_out)


def options_table(parser: argparse.ArgumentParser, *, leave_out: set[str]) -> Iterator[str]:
    """Yield the table of a parser's arguments, nothing where it has none."""
    actions = (action for action in parser._actions if not leave_out & set(action.option_strings))
    rows = [row(action) for action in actions if described(action)]
    if rows:
        yield "| argument | meaning |\n| --- | --- |"
        yield from rows
        yield ""


def described(action: argparse.Action) -> bool:
    """Whether an argument has a line of its own: not --help, nothing hidden, no list of commands."""
    below = isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
    return not below and action.help != argparse.SUPPRESS


def row(action: argparse.Action) -> str:
    """Return the table's line for one argument."""
    bar = r"\|"
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper().replace("_", "-")
    value = "" if action.nargs == 0 else f" {metavar}"
    names = ", ".join(action.option_strings)
    shown = f"{names}{value}" if names else metavar
    meaning = (action.help or "") % {"default": action.default, "prog": "ai-memory"}
    cells = (f"`{shown}`", meaning)
    return f"| {' | '.join(cell.replace('|', bar) for cell in cells)} |"


if __name__ == "__main__":
    main()
