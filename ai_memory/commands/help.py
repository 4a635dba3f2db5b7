"""`help`: of a command as its --help, or of a topic."""

from __future__ import annotations

import argparse

from ai_memory.commands.parser import EXIT_CODES, exit_table


def _exit_codes() -> str:
    return f"exit status:\n{exit_table(EXIT_CODES)}\n"


def _man_page() -> str:
    from importlib.resources import files

    return (files("ai_memory") / "man" / "ai-memory.1").read_text("utf-8")


TOPICS = {"exit-codes": _exit_codes, "man": _man_page}
"""What is shown of each topic; the man page as scripts/reference.py wrote it from the parsers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the topic; whoever finds one in the arguments shows the help."""
    parser.add_argument(
        "topic", nargs="*", metavar="TOPIC", help=f"a command, or: {', '.join(TOPICS)}; none: all commands"
    )
