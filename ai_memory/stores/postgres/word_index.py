"""The index of words: the Rust program keeps it in each memory, by the database itself, so it is never out of step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction

HELD = "SELECT count(*) FROM memories"


class WordIndex(Frozen):
    """See `stores.memory_port_reading.WordIndexReader`."""

    store: Store

    def fault(self) -> str | None:
        """See the port."""
        return None

    def out_of_step(self) -> int:
        """See the port."""
        return 0

    def lost(self) -> int | None:
        """See the port."""
        return None


class WordIndexWriter(Frozen):
    """See `stores.memory_port_writing.WordIndexWriter`."""

    inner: Transaction

    def rebuild(self) -> int:
        """See the port; there is nothing to be made anew."""
        return int(self.inner.db.value(HELD))
