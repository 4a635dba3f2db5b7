"""`backfill`: vectors only for memories that have none."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.actions.backfill import fill, ids_without_vector
from ai_memory.actions.filled import Filled
from ai_memory.actions.served import require_served
from ai_memory.clock import SystemClock
from ai_memory.commands.filling import filling
from ai_memory.commands.interrupts import Written, telling
from ai_memory.commands.with_keys import with_keys
from ai_memory.commands.without_vectors import vectors_later, warn_of_rows
from ai_memory.embed.assemble import configured_target
from ai_memory.reembed.heartbeat import require_no_pause
from ai_memory.reembed.holding import holding
from ai_memory.reembed.inspect.report import ASKED_FOR
from ai_memory.reembed.plan.targets import recorded_target
from ai_memory.reembed.way_on import naming_the_way_on
from ai_memory.stores.holder import Task
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database, reading, writing
from ai_memory.text.amounts import counted
from ai_memory.text.hints import BACKFILL

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console

EXIT_ROWS_LEFT = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--without-keys", action="store_true", help="leave encrypted memories as they are")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Embed what has no vector; return 10 where a memory cannot be embedded.

    Raises:
        NoEmbedder: the configuration has embeddings turned off.
        EmbedderInitFailed: the embedder cannot be built, or its configuration makes no sense.
        OperatorNeeded: most vectors of the file are of another space, or the file is paused.
        RunHeld: a run is at work, or another of these commands.
        EmbedError: the embedder failed; what it had done is stored.
        EndpointUnusable, TargetChanged: its vectors cannot be believed, or are those of other weights.
    """
    configured, total, path = settings.embedding, Filled(), settings.db.value
    now_ms = SystemClock().now_ms()
    held, ids = holding(database(path, tell=console.note), now_ms=now_ms, task=Task.BACKFILL), list[str]()
    ended = telling(lambda: _by_then(path, len(ids), total, configured))
    options = OpenOptions() if args.without_keys else with_keys(settings)
    with ended, held, writing(path, now_ms=now_ms, tell=console.note, options=options) as library:
        store = library.store
        with naming_the_way_on(store, BACKFILL, now_ms=now_ms):
            ids += ids_without_vector(library.listing)
            if ids:
                require_served(store, recorded_target(store, configured_target(configured)))
            require_no_pause(store, now_ms=now_ms)
            with filling(store, configured, console, origin="backfill", total=len(ids)) as (made, workers):
                fill(made, ids, workers, total, batch=configured.batch.value)
        remaining = len(ids_without_vector(library.listing))
    warn_of_rows(total.left, console)
    values = {
        "total": len(ids),
        "embedded": total.embedded,
        "raced": total.raced,
        "remaining": remaining,
        "asked_again": total.asked_again,
        "texts_sent_twice": total.sent_twice,
    }
    # Nothing else was to be done: it asked for what an earlier start wrote.
    asked = [] if ids or total.embedded or not total.asked_again else [ASKED_FOR]
    console.result(values, f"{_words(len(ids), total, remaining)}.", *asked)
    return EXIT_ROWS_LEFT if remaining else 0


def _words(due: int, total: Filled, remaining: int) -> str:
    embedded = f"{total.embedded:,} of {counted(max(due, total.embedded), 'memory')} embedded"
    return f"{embedded}; {counted(remaining, 'has', 'have')} no vector"


def _by_then(path: Path, due: int, total: Filled, configured: EmbeddingSettings) -> Written | None:
    """Return what is said where a signal ends it; None where nothing was to be embedded."""
    if not due:
        return None
    with reading(path) as library:
        remaining = len(ids_without_vector(library.listing))
        later = vectors_later(library.store, configured) if remaining else ""
    return Written(_words(due, total, remaining), later)
