"""What commands say of texts that were stored, and of those that got no vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
from ai_memory.text.amounts import counted
from ai_memory.text.hints import BACKFILL, REEMBED, without_again

if TYPE_CHECKING:
    from ai_memory.actions.filled import Unfilled
    from ai_memory.show.console import Console

EMBEDDER_ERRORS = (NoEmbedder, EmbedderInitFailed, EmbedError, EndpointUnusable, TargetChanged)
"""What an embedder can end with; the texts are stored all the same."""
NAMED_ROWS = 20


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
    return f"stored without {what}: {' '.join(f'{error.what} {error.when}'.split())} {step}"


def warn_of_rows(left: Sequence[Unfilled], console: Console) -> None:
    """Name the memories that got no vector, the first ones by id, the rest by number."""
    for each in left[:NAMED_ROWS]:
        console.warn(f"no vector for {printable(each.id)} in {printable(each.namespace)}: {each.message.rstrip('.')}.")
    if len(left) > NAMED_ROWS:
        console.warn(f"no vector for {counted(len(left) - NAMED_ROWS, 'more memory')}.")
