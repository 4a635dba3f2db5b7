"""`delete`: one memory, and what is known of its vector."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.actions.forget import forget
from ai_memory.actions.meant import the_memory
from ai_memory.clock import SystemClock
from ai_memory.memory.text_codec import printable
from ai_memory.stores.opening import reading, writing

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the id."""
    parser.add_argument("id", metavar="ID")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Delete the memory of that id.

    Raises:
        NotFound: there is none.
        UsageError: other memories are atoms of it, or rows of other tables refer to it.
        DataRefused: the database refuses it, or a trigger puts it back.
    """
    # First read-only: a database in which there is nothing to delete stays as it is.
    with reading(settings.db.value) as library:
        the_memory(library, args.id)
    now_ms = SystemClock().now_ms()
    with writing(settings.db.value, now_ms=now_ms, tell=console.note) as library, library.transaction() as transaction:
        forget(transaction, args.id)
    console.result({"id": args.id, "deleted": True}, f"Deleted {printable(args.id)}.")
    return 0
