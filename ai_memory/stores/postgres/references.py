"""Has what refuses the vector of a memory name that memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ai_memory.errors import StatementRefused, UpdateRefused
from ai_memory.stores.postgres.transactions import require_references

if TYPE_CHECKING:
    from ai_memory.stores.postgres.connection import Connection


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
