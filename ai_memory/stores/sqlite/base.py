"""An open memory database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.stores.sqlite.schema import Schema, lay_view

if TYPE_CHECKING:
    from ai_memory.memory.text_codec import Codec
    from ai_memory.stores.sqlite.connection import Database


@dataclass(frozen=True, slots=True)
class Store:
    """An open memory database: its connection, what its file has, its text encoding, whether it was made just now."""

    db: Database
    schema: Schema
    codec: Codec
    created: bool = False


@dataclass(frozen=True, slots=True)
class Transaction(Store):
    """A store whose write transaction is open. Whatever writes takes one, and it reads what it wrote."""


def reopen(store: Store) -> None:
    """Go on with a new connection to the same file, after an error that leaves the outcome of a commit unknown.

    Raises:
        StorageFailed: the file was removed or replaced.
        DataRefused: it cannot be opened any more.
    """
    store.db.reopen()
    lay_view(store.db, store.schema)
