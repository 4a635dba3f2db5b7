"""`delete`: one memory, and what is known of its vector."""

from __future__ import annotations

import argparse

from ai_memory.clock import SystemClock
from ai_memory.console import Console
from ai_memory.errors import NotFound, UsageError
from ai_memory.settings import Settings
from ai_memory.store.memories import Memories
from ai_memory.store.opening import writing
from ai_memory.store.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the id."""
    parser.add_argument("id", metavar="ID")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Delete the memory of that id.

    Raises:
        NotFound: there is none.
        UsageError: other memories are atoms of it.
    """
    shown = printable(args.id)
    with writing(settings.db.value, now_ms=SystemClock().now_ms()) as store, store.db.transaction():
        memories = Memories.of(store)
        if atoms := memories.atoms(args.id):
            raise UsageError(f"{atoms} memories are atoms of {shown}.", tip="Delete those first.")
        if not memories.delete(args.id):
            raise NotFound(f"There is no memory {shown} in {store.db.path}.", tip="See ai-memory list.")
    console.result({"id": args.id, "deleted": True}, f"Deleted {shown}.")
    return 0
