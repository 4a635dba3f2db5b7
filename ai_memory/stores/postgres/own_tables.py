"""Takes our own schema out of a database again; what the Rust program keeps there stays as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import quoted
from ai_memory.stores.postgres import exchange
from ai_memory.stores.postgres.connection import OURS

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction

NAMES = """
    SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace(%(ours)s) AND relkind = 'r' ORDER BY relname
"""
DROP = "DROP TABLE {tables}"
# Without CASCADE: what somebody else put there, or built on it, is not ours to drop.
DROP_REST = f"DROP DOMAIN {OURS}.kept_vector; DROP SCHEMA {OURS};"


def names(store: Store) -> list[str]:
    """Return which tables our schema has."""
    return [str(row[0]) for row in store.db.execute(NAMES, {"ours": OURS})]


def drop(transaction: Transaction) -> list[str]:
    """Drop them with our schema, and return their names; nothing else of the store may be used then.

    Raises:
        StatementRefused: something of somebody else's needs them.
    """
    found = names(transaction)
    if found:
        exchange.drop(transaction)
        transaction.db.execute(DROP.format(tables=", ".join(f"{OURS}.{quoted(each)}" for each in found)))
        transaction.db.run(DROP_REST)
    return found
