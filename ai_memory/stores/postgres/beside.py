"""What stands beside the memories' own columns of vectors: how it is named, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.served import Exchange

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store

NEXT, BEFORE = "ai_memory_next_", "ai_memory_before_"
"""How the columns and indexes that stand beside are named: those that are filled, and those of before."""
MEMORIES, ARCHIVE = "memories", "archived_memories"
RECORDS, BESIDE = "embedding_provenance", "embedding_provenance_beside"
"""The tables that say where vectors come from: the memories' own, and those in the columns beside."""
STATE = "SELECT run_id, done FROM embedding_exchange"


def state(store: Store) -> Exchange | None:
    """Return which columns stand beside the memories' own, None where none do."""
    return next((Exchange(int(run_id), bool(done)) for run_id, done in store.db.execute(STATE)), None)
