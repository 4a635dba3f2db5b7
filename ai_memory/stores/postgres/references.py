"""Has what refuses the vector of a memory name that memory: a rule of the database, or a trigger that took it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ai_memory.errors import StatementRefused, UpdateRefused
from ai_memory.memory.text_codec import printable
from ai_memory.stores.postgres.transactions import require_references

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store
    from ai_memory.stores.postgres.connection import Connection
NOT_KEPT = "did not keep the vector"
FIRES_TRIGGERS = """
    SELECT EXISTS (
        SELECT 1 FROM pg_trigger
        WHERE tgrelid = to_regclass('memories') AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 16 <> 0
    )
"""


@contextmanager
def naming(db: Connection, memory_id: str) -> Iterator[None]:
    """Have what refuses the vector of a memory, which is written in the block, name that memory.

    Raises:
        UpdateRefused: the database refuses it; or it breaks a rule for which COMMIT would ask.
    """
    try:
        yield
        require_references(db)
    except UpdateRefused:
        raise
    except StatementRefused as refusal:
        raise UpdateRefused(refusal.what, tip=refusal.tip, words=refusal.words, memory_id=memory_id) from refusal


def fires_triggers(store: Store) -> bool:
    """Return whether writing a vector may run somebody's trigger, which may do anything to the row."""
    return bool(store.db.value(FIRES_TRIGGERS))


def not_kept(store: Store, memory_id: str) -> UpdateRefused:
    """Return the error of a vector that a trigger took back, or changed, as it was written."""
    what = f"{store.name} {NOT_KEPT} of {printable(memory_id)}."
    return UpdateRefused(what, words=f"the database {NOT_KEPT}", memory_id=memory_id)
