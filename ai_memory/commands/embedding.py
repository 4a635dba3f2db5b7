"""What commands that give memories their vectors have in common."""

from __future__ import annotations

from collections.abc import Iterable

from ai_memory.amounts import counted
from ai_memory.clock import SystemClock
from ai_memory.console import Console
from ai_memory.embed.chain import assemble
from ai_memory.errors import EmbedderInitFailed, EmbedError, EndpointUnusable, NoEmbedder
from ai_memory.intake import Filled, Filler, Unfilled
from ai_memory.reembed.progress import choose_progress
from ai_memory.settings import Settings
from ai_memory.store.opening import Store
from ai_memory.store.text import printable

EMBEDDER_ERRORS = (NoEmbedder, EmbedderInitFailed, EmbedError, EndpointUnusable)
"""What an embedder can end with; the texts are stored all the same."""
NAMED_ROWS = 20


def fill(store: Store, ids: list[str], settings: Settings, console: Console, *, origin: str) -> Iterable[Filled]:
    """Give the memories of `ids` that have none their vectors; yield page by page, with progress shown.

    Raises:
        AiMemoryError: one of EMBEDDER_ERRORS; earlier pages are stored.
    """
    clock, configured = SystemClock(), settings.embedding
    filler = Filler(store, assemble(configured), origin, configured.batch.value, clock)
    progress = choose_progress(console.err, clock, quiet=console.quiet)
    progress.begin(total=len(ids), label=origin)
    try:
        for done in filler.pages(ids):
            progress.advance(done.passed)
            yield done
    finally:
        progress.end()


def warn_of_rows(left: list[Unfilled], console: Console) -> None:
    """Name the memories that got no vector, the first ones by id, the rest by number."""
    for each in left[:NAMED_ROWS]:
        console.warn(f"no vector for {printable(each.id)} in {printable(each.namespace)}: {each.message.rstrip('.')}.")
    if len(left) > NAMED_ROWS:
        console.warn(f"no vector for {counted(len(left) - NAMED_ROWS, 'more memory')}.")
