"""Takes our own tables out of a file again; what the Rust program keeps there stays as it stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ai_memory.stores.migrations import MEMORIES, available
from ai_memory.stores.sqlite.ddl import has_table

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction

LEDGER = "reembed_migration"
MADE = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)
DROP = "DROP TABLE main.{table}"


def names(store: Store) -> list[str]:
    """Return which of our tables a file has, those that refer to others before these.

    By the names in our migrations: theirs may begin alike.
    """
    made = [name for each in available() if each.version != MEMORIES for name in MADE.findall(each.sql)]
    return [name for name in [*reversed(dict.fromkeys(made)), LEDGER] if has_table(store.db, name)]


def drop(transaction: Transaction) -> list[str]:
    """Drop them with all that is in them, and return their names; nothing else of the store may be used then."""
    found = names(transaction)
    for name in found:
        transaction.db.execute(DROP.format(table=name))
    return found
