#!/usr/bin/env python3
"""Writes ai_memory/completions from the parsers: what `ai-memory completion SHELL` prints.

Usage: .venv/bin/python scripts/completions.py

It is done here, not when the command is typed: so nobody has to install shtab, and no shell waits for all commands to
be loaded. tests/test_docs.py compares the files with what this would write.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import shtab

from ai_memory.cli import whole_parser
from ai_memory.commands.arguments import named_database, named_path
from ai_memory.commands.completion import SHELLS

FOLDER = Path(__file__).resolve().parent.parent / "ai_memory" / "completions"


def main() -> None:
    """Write a script for each shell."""
    FOLDER.mkdir(exist_ok=True)
    for shell in SHELLS:
        (FOLDER / f"ai-memory.{shell}").write_text(script(shell), "utf-8")


def script(shell: str) -> str:
    """Return the script for one shell."""
    parser, _ = whole_parser()
    for action in arguments(parser):
        if action.type in (named_path, named_database):
            vars(action)["complete"] = shtab.FILE
    made: str = shtab.complete(parser, shell=shell, root_prefix="ai_memory")
    return "\n".join(line.rstrip() for line in made.splitlines()) + "\n"


def arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of all parsers below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from arguments(below)
        else:
            yield action


if __name__ == "__main__":
    main()
