"""Whom a text that is stored is sent to: the configured embedder, and while a run is staged that of what is served.

Until the switch a memory that is stored by the new model's embedder is found by its meaning only if the old one's gives
it a vector as well; after it, one that is stored by the old one's only if the new one's does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.commands.embedder_choice import Chosen
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint


def choose_writers(
    store: Reader, settings: Settings, choose: Callable[[Reader, Settings], Chosen]
) -> tuple[EmbeddingSettings, ...]:
    """Return the embedders that are asked for the vector of a memory, in order.

    Each but the first one only where the memory has no vector that is served. Beside the configured one only those are
    taken to which a query is sent: what `choose` returns.
    """
    run = store.runs.unfinished()
    if run is None or not run.staged:
        return (settings.embedding,)
    target = store.targets.read(run.target)
    served = _served(store, run, target)
    own, *others = choose(store, settings).choices or (None,)
    found = next((each.settings for each in others if served and each.is_of(*served)), None)
    if own is None or found is None or (served and own.is_of(*served)):
        return (settings.embedding,)
    both = (settings.embedding, found)
    # What goes beside a memory is no vector that is served: it is asked for first, and the other one after it.
    return both if run.beside and own.is_of(target.space, target.dim) else both[::-1]


def _served(store: Reader, run: Run, target: Fingerprint) -> tuple[str, int | None] | None:
    """Return the space and width of what is served, as far as the run of that target tells."""
    if not run.beside:
        return target.space, target.dim
    before = [(space, dim) for space, dim, _ in store.runs.replaced(run) if space and space != target.space]
    return before[0] if before else None
