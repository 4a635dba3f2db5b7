"""An open memory database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import Codec

if TYPE_CHECKING:
    from ai_memory.stores.postgres.connection import Connection
    from ai_memory.stores.postgres.schema import Schema


class Store(Frozen):
    """An open memory database: its connection, what it has, whether it was made just now."""

    db: Connection
    schema: Schema
    created: bool = False

    @property
    def name(self) -> str:
        """See `stores.port.Database`."""
        return self.db.name

    @property
    def codec(self) -> Codec:
        """The encoding of texts as the server says them, whatever the database's own is."""
        return Codec("UTF-8", self.db.options.opener)


class Transaction(Store):
    """A store whose write transaction is open. Whatever writes takes one, and it reads what it wrote.

    `rehearsing`: it is rolled back in any case.
    """

    rehearsing: bool = False
