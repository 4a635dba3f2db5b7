"""The flags of the verbs that move vectors: `switch` and `rollback`. Where one was given before the verb, it holds."""

from __future__ import annotations

import argparse

from ai_memory.commands.arguments import duration, whole_number

MOST = 10**12


def add_of_switch(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `switch`; where one was given before the verb, it holds."""
    add, given = parser.add_argument, argparse.SUPPRESS
    add("--back", action="store_true", help="serve what was served before, and withdraw the approval")
    add("--accept-quarantined", action="store_true", help="switch though rows in quarantine are found by words only")
    add("--no-wait", action="store_true", help="move nothing into the memories yet: --resume does it")
    add("--max-rows", type=whole_number(1, MOST), metavar="N", default=given, help="stop moving after N rows (exit 75)")
    add("--max-runtime", type=duration, metavar="DURATION", default=given, help="stop after this time (exit 75)")


def add_of_rollback(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `rollback`; where one was given before the verb, it holds."""
    add, given = parser.add_argument, argparse.SUPPRESS
    add("--dry-run", action="store_true", default=given, help="show what would be put back; nothing is written")
    add("--max-rows", type=whole_number(1, MOST), metavar="N", default=given, help="stop after N rows (exit 75)")
    add("--max-runtime", type=duration, metavar="DURATION", default=given, help="stop after this time (exit 75)")
    add("--yes", action="store_true", default=given, help="do not ask before")
