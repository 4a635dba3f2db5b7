"""What commands say of texts that were stored, and of those that got no vector."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.actions.served import backfill_or_all
from ai_memory.clock import SystemClock
from ai_memory.commands.embedder_errors import EMBEDDER_ERRORS
from ai_memory.embed.assemble import configured_target
from ai_memory.errors import LATER, AiMemoryError, DataRefused, NoEmbedder
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.plan.targets import recorded_target
from ai_memory.reembed.way_on import as_it_stands, way_on
from ai_memory.text.amounts import counted
from ai_memory.text.hints import BACKFILL, REEMBED, without_again

if TYPE_CHECKING:
    from ai_memory.actions.filled import Unfilled
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.show.console import Console
    from ai_memory.stores.port import Reader

NAMED_ROWS = 20


def tell_stored_without(
    what: str, error: AiMemoryError, store: Reader, configured: EmbeddingSettings, console: Console
) -> None:
    """Say that texts were stored without `what`: a warning, or a note where nobody wants any."""
    if isinstance(error, NoEmbedder):
        console.note(f"Stored without {what}: {error.what}")
    else:
        console.warn(_stored_without(what, error, store, begin_with(store, configured)))


def begin_with(store: Reader, configured: EmbeddingSettings) -> str:
    """Return the command that gives texts without a vector one of the configured target's beside no run."""
    with suppress(*EMBEDDER_ERRORS, DataRefused):
        return backfill_or_all(store, recorded_target(store, configured_target(configured)))
    return BACKFILL


def _stored_without(what: str, error: AiMemoryError, store: Reader, begin: str) -> str:
    """Return the warning that texts were stored without `what`, with the one step that gives it to them."""
    now_ms = SystemClock().now_ms()
    way, tip = way_on(store, begin, now_ms=now_ms), as_it_stands(error.tip, store, begin, now_ms=now_ms)
    step = without_again(tip.replace(LATER, f"Later: {way}"), way)
    if step != error.tip:
        step = step.removesuffix(".")
    elif REEMBED not in step:
        # reembed gives them theirs, too.
        lead = "Later" if step.endswith((".", "?")) or not step else "; later"
        step = f"{step} {lead}: {way}".replace(" ;", ";").strip()
    return f"stored without {what}: {' '.join(f'{error.what} {error.when}'.split())} {step}"


def warn_of_rows(left: Sequence[Unfilled], console: Console) -> None:
    """Name the memories that got no vector, the first ones by id, the rest by number."""
    for each in left[:NAMED_ROWS]:
        console.warn(f"no vector for {printable(each.id)} in {printable(each.namespace)}: {each.message.rstrip('.')}.")
    if len(left) > NAMED_ROWS:
        console.warn(f"no vector for {counted(len(left) - NAMED_ROWS, 'more memory')}.")
