"""Whether a database is served in the space of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import OperatorNeeded
from ai_memory.memory.text_codec import printable
from ai_memory.text.hints import BACKFILL, REEMBED

if TYPE_CHECKING:
    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Target


def backfill_or_all(store: Reader, target: Target) -> str:
    """Return the command that gives rows without a vector one of the target's where no run is unfinished."""
    return BACKFILL if _other_space(store, target) is None else REEMBED


def require_served(store: Reader, target: Target) -> None:
    """Check that most vectors of the file are of the target's space: it is served in that.

    Raises:
        OperatorNeeded: they are not.
    """
    if other := _other_space(store, target):
        space, dim = other
        wide = f", {target.dim} wide" if target.dim else ""
        raise OperatorNeeded(
            f"{store.name} is served in {printable(space)}, {dim or 'unknown'} wide, and the configured target is "
            f"{target.space}{wide}; no vector was added.",
            tip=f"Bring the whole file to the target: {REEMBED}",
        )


def _other_space(store: Reader, target: Target) -> tuple[str, int | None] | None:
    """Return space and width of most vectors of the file, None where they are the target's or there are none."""
    spaces = [(space, dim) for space, dim, _ in store.memories.stored_spaces() if space]
    if not spaces:
        return None
    space, dim = spaces[0]
    return spaces[0] if space != target.space or (dim and target.dim and dim != target.dim) else None
