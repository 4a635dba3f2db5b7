"""`store`: one memory, upsert on title and namespace, embedded with the resolved embedder."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.commands.draft import add_columns, draft_of
from ai_memory.commands.interrupts import telling
from ai_memory.commands.without_vectors import stored_by_then
from ai_memory.stores.opening import reading, writing

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the columns of the memory, and whether it gets its vector now."""
    add_columns(parser)
    parser.add_argument("--no-embed", action="store_true", help="store the text only; backfill embeds it later")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Store the memory, then give it its vector; an embedder that fails costs a warning, never the text.

    Raises:
        EmbedderInitFailed: the embedder's configuration makes no sense; nothing is stored.
        UsageError: the memory breaks a rule, or is encrypted and cannot be replaced.
        DataRefused: the database does not take it, or a trigger undid it.
    """
    from ai_memory.commands.storing import Storing, store_memory

    wanted = None if args.no_embed else settings
    configured = wanted.embedding if wanted else None
    draft, path, done = draft_of(args), settings.db.value, list[str]()
    with telling(lambda: stored_by_then(lambda: reading(path), done, configured)) as interrupts:
        opened = partial(writing, path, now_ms=SystemClock().now_ms(), create=True, tell=console.note)
        stored = store_memory(draft, Storing(opened, wanted, console, source="cli"), interrupts, done)
        without = "" if stored.has_vector else " without a vector"
        values = {name: value for name, value in asdict(stored).items() if name != "has_vector"}
        console.result(values, f"{stored.id}  {stored.outcome}{without}")
    return 0
