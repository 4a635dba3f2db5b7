"""`backfill`: vectors only for memories that have none."""

from __future__ import annotations

import argparse

from ai_memory.actions.backfill import Filled, ids_without_vector
from ai_memory.clock import SystemClock
from ai_memory.commands.embedding import fill, warn_of_rows
from ai_memory.config.settings import Settings
from ai_memory.show.console import Console
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import writing
from ai_memory.text.amounts import counted

EXIT_ROWS_LEFT = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no argument."""
    del parser


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Embed what has no vector; return 10 where a memory cannot be embedded.

    Raises:
        NoEmbedder: the configuration has embeddings turned off.
        EmbedderInitFailed: the embedder cannot be built, or its configuration makes no sense.
        EmbedError: the embedder failed; what it had done is stored.
        EndpointUnusable, TargetChanged: its vectors cannot be believed, or are those of other weights.
    """
    del args
    configured, total = settings.embedding, Filled()
    options = OpenOptions(tell=console.note)
    with writing(settings.db.value, now_ms=SystemClock().now_ms(), options=options) as store:
        ids = ids_without_vector(store)
        for done in fill(store, ids, configured, console, origin="backfill"):
            total.add(done)
        remaining = len(ids_without_vector(store))
    warn_of_rows(total.left, console)
    values = {"total": len(ids), "embedded": total.embedded, "raced": total.raced, "remaining": remaining}
    console.result(
        values,
        f"{total.embedded:,} of {counted(len(ids), 'memory')} embedded; {counted(remaining, 'has', 'have')} no vector.",
    )
    return EXIT_ROWS_LEFT if remaining else 0
