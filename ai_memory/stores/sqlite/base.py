"""An open memory database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.memory.text_codec import Codec
    from ai_memory.stores.sqlite.connection import Connection
    from ai_memory.stores.sqlite.schema import Schema


class Store(Frozen):
    """An open memory database: its connection, what its file has, its text encoding, whether it was made just now."""

    db: Connection
    schema: Schema
    codec: Codec
    created: bool = False

    @property
    def name(self) -> str:
        """See `stores.port.Database`."""
        return str(self.db.path)


class Transaction(Store):
    """A store whose write transaction is open. Whatever writes takes one, and it reads what it wrote."""
