"""An open memory database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.memory.text_codec import Codec
    from ai_memory.stores.sqlite.connection import Connection
    from ai_memory.stores.sqlite.schema import Schema


@dataclass(frozen=True, slots=True)
class Store:
    """An open memory database: its connection, what its file has, its text encoding, whether it was made just now."""

    db: Connection
    schema: Schema
    codec: Codec
    created: bool = False

    @property
    def name(self) -> str:
        """See `stores.port.Database`."""
        return str(self.db.path)


@dataclass(frozen=True, slots=True)
class Transaction(Store):
    """A store whose write transaction is open. Whatever writes takes one, and it reads what it wrote."""
