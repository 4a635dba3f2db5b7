"""Finds the rows of a user's tables that refer to a memory, so that a refused delete can name them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ai_memory.errors import UpdateRefused
from ai_memory.memory.text_codec import printable, quoted

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.sqlite.connection import Connection

BROKEN_REFERENCE = "FOREIGN KEY constraint failed"
"""SQLite's words where rows refer to what would not be there; which rows, it does not say."""

FOREIGN_KEYS = """
    SELECT t.name, f.id, f."from", coalesce(f."to", 'id')
    FROM main.sqlite_schema AS t, pragma_foreign_key_list(t.name) AS f
    WHERE t.type = 'table' AND lower(f."table") = 'memories' AND f.on_delete IN ('NO ACTION', 'RESTRICT')
    ORDER BY t.name, f.id, f.seq
"""
REFERRING = "SELECT count(*) FROM main.{table} AS c JOIN main.memories AS m ON {condition} WHERE m.id = CAST(? AS TEXT)"


def referring_rows(store: Store, memory_id: str) -> dict[str, int]:
    """Return how many rows of which tables keep a memory from being deleted, as far as foreign keys tell."""
    found: dict[str, int] = {}
    for (table, _), columns in groupby(store.db.execute(FOREIGN_KEYS), key=lambda row: (row[0], row[1])):
        condition = " AND ".join(f"c.{quoted(child)} = m.{quoted(parent)}" for _, _, child, parent in columns)
        sql = REFERRING.format(table=quoted(table), condition=condition)
        if rows := int(store.db.value(sql, (store.codec.bound(memory_id),))):
            found[table] = found.get(table, 0) + rows
    return found


def require_references(db: Connection, memory_id: str) -> None:
    """Check, where the vector of a memory was just written, that it breaks no reference for which COMMIT will ask.

    Raises:
        UpdateRefused: it does.
    """
    if db.unresolved_references():
        what = f"{db.path} refuses the vector of {printable(memory_id)}: {BROKEN_REFERENCE}."
        raise UpdateRefused(what, words=BROKEN_REFERENCE, memory_id=memory_id)
