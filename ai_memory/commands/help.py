"""`help`: of a command as its --help, or of a topic."""

from __future__ import annotations

import argparse

from ai_memory.commands.parser import EXIT_CODES, exit_table

TOPICS = {"exit-codes": f"exit status:\n{exit_table(EXIT_CODES)}\n"}
"""What is shown of each topic."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the topic; whoever finds one in the arguments shows the help."""
    parser.add_argument(
        "topic", nargs="*", metavar="TOPIC", help=f"a command, or: {', '.join(TOPICS)}; none: all commands"
    )
