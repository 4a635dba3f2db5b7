"""`completion`: the script by which a shell completes this program's commands, options and files."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell; whoever finds one in the arguments prints its script."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")


def script(shell: str) -> str:
    """Return the script for one of SHELLS, as scripts/completions.py wrote it from the parsers."""
    return (files("ai_memory") / "completions" / f"ai-memory.{shell}").read_text("utf-8")
