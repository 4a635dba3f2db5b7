"""Tells which tables a database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.stores.postgres.connection import Connection

MEMORIES = "memories"
HAS_TABLE = "SELECT to_regclass(%(name)s) IS NOT NULL"


def has_table(db: Connection, name: str) -> bool:
    """Return whether a table of that name is there."""
    return bool(db.value(HAS_TABLE, {"name": name}))
