"""What commands that give memories their vectors have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.actions.backfill import Filled, Filler, Unfilled
from ai_memory.clock import SystemClock
from ai_memory.embed.assemble import assemble, in_turn
from ai_memory.embed.terms import Terms
from ai_memory.errors import (
    LATER,
    AiMemoryError,
    EmbedderInitFailed,
    EmbedError,
    EndpointUnusable,
    NoEmbedder,
    TargetChanged,
)
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.events import Event, PageCommitted, RemedyFound
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import SweepTools
from ai_memory.show.narrator import Narrator
from ai_memory.show.progress import choose_progress
from ai_memory.text.amounts import counted
from ai_memory.text.hints import BACKFILL, REEMBED, without_again

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.show.console import Console
    from ai_memory.stores.sqlite.store import Store

EMBEDDER_ERRORS = (NoEmbedder, EmbedderInitFailed, EmbedError, EndpointUnusable, TargetChanged)
"""What an embedder can end with; the texts are stored all the same."""
NAMED_ROWS = 20


def fill(
    store: Store, ids: list[str], configured: EmbeddingSettings, console: Console, *, origin: str, filled: Filled
) -> None:
    """Give the memories of `ids` that have none their vectors, with progress shown; `filled` is told of each.

    Raises:
        AiMemoryError: one of EMBEDDER_ERRORS; what is counted in `filled` is stored.
    """
    clock, batch = SystemClock(), configured.batch.value
    embedder = assemble(configured, Terms(batch=batch))
    progress = choose_progress(console.err, clock, quiet=console.quiet)
    narrator = Narrator(progress)

    def observe(event: Event) -> None:
        # A row that gets no vector is named at the end; it goes into no quarantine.
        if isinstance(event, PageCommitted | RemedyFound):
            narrator(event)

    filler = Filler(store, embedder, origin, batch, SweepTools(clock, Stop(), observe))
    progress.begin(total=len(ids), label=origin)
    try:
        filler.fill(ids, in_turn(embedder, answer), filled)
    finally:
        progress.end()


def tell_stored_without(what: str, error: AiMemoryError, console: Console) -> None:
    """Say that texts were stored without `what`: a warning, or a note where nobody wants any."""
    if isinstance(error, NoEmbedder):
        console.note(f"Stored without {what}: {error.what}")
    else:
        console.warn(_stored_without(what, error))


def _stored_without(what: str, error: AiMemoryError) -> str:
    """Return the warning that texts were stored without `what`, with the one step that gives it to them."""
    step = without_again(error.tip.replace(LATER, f"Later: {BACKFILL}"), BACKFILL)
    if step != error.tip:
        step = step.removesuffix(".")
    elif REEMBED not in step:
        # reembed gives them theirs, too.
        lead = "Later" if step.endswith((".", "?")) or not step else "; later"
        step = f"{step} {lead}: {BACKFILL}".replace(" ;", ";").strip()
    return f"stored without {what}: {' '.join(error.what.split())} {step}"


def warn_of_rows(left: list[Unfilled], console: Console) -> None:
    """Name the memories that got no vector, the first ones by id, the rest by number."""
    for each in left[:NAMED_ROWS]:
        console.warn(f"no vector for {printable(each.id)} in {printable(each.namespace)}: {each.message.rstrip('.')}.")
    if len(left) > NAMED_ROWS:
        console.warn(f"no vector for {counted(len(left) - NAMED_ROWS, 'more memory')}.")
