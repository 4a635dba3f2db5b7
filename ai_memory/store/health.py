"""Asks SQLite whether a file is sound; reads only."""

from __future__ import annotations

from ai_memory.store.opening import Store

MAX_COMPLAINTS = 20
QUICK_CHECK = f"PRAGMA main.quick_check({MAX_COMPLAINTS})"
NOT_INDEXED = """
    SELECT count(*) FROM main.memories AS m
    WHERE NOT EXISTS (SELECT 1 FROM main.memories_fts_docsize AS d WHERE d.id = m.rowid)
"""
INDEXED_IN_VAIN = """
    SELECT count(*) FROM main.memories_fts_docsize AS d
    WHERE NOT EXISTS (SELECT 1 FROM main.memories AS m WHERE m.rowid = d.id)
"""


def complaints(store: Store) -> list[str]:
    """Return what SQLite's quick check finds wrong, the FTS index included (SQLite 3.44); empty when all is sound."""
    return [str(row[0]) for row in store.db.execute(QUICK_CHECK) if row[0] != "ok"]


def not_indexed(store: Store) -> int:
    """Return how many memories a search by words cannot find, and entries of the index without a memory."""
    return int(store.db.value(NOT_INDEXED)) + int(store.db.value(INDEXED_IN_VAIN))
