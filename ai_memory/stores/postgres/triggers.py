"""Tells of the triggers that writing a vector fires: they may do anything to the row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import UpdateRefused
from ai_memory.memory.text_codec import printable

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store

NOT_KEPT = "did not keep the vector"
FIRES_TRIGGERS = """
    SELECT EXISTS (
        SELECT 1 FROM pg_trigger
        WHERE tgrelid = to_regclass('memories') AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 16 <> 0
    )
"""


def fires_triggers(store: Store) -> bool:
    """Return whether writing a vector may run somebody's trigger, which may do anything to the row."""
    return bool(store.db.value(FIRES_TRIGGERS))


def not_kept(store: Store, memory_id: str) -> UpdateRefused:
    """Return the error of a vector that a trigger took back, or changed, as it was written."""
    what = f"{store.name} {NOT_KEPT} of {printable(memory_id)}."
    return UpdateRefused(what, words=f"the database {NOT_KEPT}", memory_id=memory_id)
