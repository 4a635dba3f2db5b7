"""Whether a database is served in the space of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import OperatorNeeded
from ai_memory.memory.text_codec import printable

if TYPE_CHECKING:
    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Target


def require_served(store: Reader, target: Target) -> None:
    """Check that most vectors of the file are of the target's space: it is served in that.

    Raises:
        OperatorNeeded: they are not.
    """
    spaces = [(space, dim) for space, dim, _ in store.memories.stored_spaces() if space]
    if not spaces:
        return
    space, dim = spaces[0]
    if space != target.space or (dim and target.dim and dim != target.dim):
        wide = f", {target.dim} wide" if target.dim else ""
        raise OperatorNeeded(
            f"{store.name} is served in {printable(space)}, {dim or 'unknown'} wide, and the configured target is "
            f"{target.space}{wide}; no vector was added.",
            tip="Bring the whole file to the target: ai-memory reembed",
        )
