"""Makes what gives memories their vectors, and shows how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ai_memory.actions.filling import Filling
from ai_memory.clock import SystemClock
from ai_memory.commands.known_witness import local_ties, witness_in
from ai_memory.embed.assemble import assemble, in_turn
from ai_memory.embed.terms import Terms
from ai_memory.reembed.events import Event, PageCommitted, RemedyFound, RowsTakenBack, RunTakenOver
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import SweepTools
from ai_memory.show.narrator import Narrator
from ai_memory.show.progress import choose_progress

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.reembed.work import Workers
    from ai_memory.show.console import Console
    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Fingerprint


@contextmanager
def filling(
    store: Store,
    configured: EmbeddingSettings,
    console: Console,
    *,
    origin: str,
    total: int,
    require: Callable[[Fingerprint], None] = lambda _: None,
    over: bool = False,
) -> Iterator[tuple[Filling, Workers]]:
    """Yield what gives memories vectors of the configured embedder; in the block its progress is shown, of `total`.

    See `Filling` for `require` and `over`.

    Raises:
        NoEmbedder, EmbedderInitFailed: there is no embedder.
    """
    clock = SystemClock()
    embedder = assemble(
        configured,
        Terms(batch=configured.batch.value),
        local_ties(configured, witness_in(store), console.note),
    )
    progress = choose_progress(console.err, clock, quiet=console.quiet)
    narrator = Narrator(progress)

    def observe(event: Event) -> None:
        # A row that gets no vector is named at the end; it goes into no quarantine.
        if isinstance(event, PageCommitted | RowsTakenBack | RemedyFound | RunTakenOver):
            narrator(event)

    made = Filling(store, embedder, origin, SweepTools(clock, Stop(), observe), require, over)
    progress.begin(total=total, label=origin)
    try:
        yield made, in_turn(embedder, answer)
    finally:
        progress.end()
