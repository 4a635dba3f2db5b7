"""Says in which of the temporary views memories are read: with their own vectors, or with what is served or staged.

See `views`, which lays them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.run_states import IS_UNFINISHED

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store

OWN, RECORDED, SERVED, STAGED = "memory_row", "recorded_row", "served_row", "staged_row"
ROWS = "{rows}"
"""Where a statement names the view in which it reads memories."""
STAGED_TARGET = f"SELECT target FROM reembed_run WHERE staged = 1 AND {IS_UNFINISHED}"
IS_ACTIVE = "SELECT EXISTS (SELECT 1 FROM embedding_active)"


def served(store: Store) -> str:
    """Return the view that has memories as they are served, maybe without the records of their vectors."""
    return SERVED if store.db.value(IS_ACTIVE) else OWN


def judged(store: Store, target: int | None = None) -> str:
    """Return the view that has memories as a target judges them, where its run puts its vectors; None: as served."""
    if target is not None and store.db.value(STAGED_TARGET) == target:
        return STAGED
    return SERVED if store.db.value(IS_ACTIVE) else RECORDED
