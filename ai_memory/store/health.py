"""Asks SQLite whether a file is sound; reads only."""

from __future__ import annotations

from ai_memory.errors import DataRefused
from ai_memory.store.connection import quoted
from ai_memory.store.opening import Store
from ai_memory.store.refusals import OF_WORD_INDEX

MAX_COMPLAINTS = 20
QUICK_CHECK = f"PRAGMA main.quick_check({MAX_COMPLAINTS})"
QUICK_CHECK_OF = "PRAGMA main.quick_check({table})"
TABLES = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')"


def complaints(store: Store) -> list[str]:
    """Return what SQLite's quick check finds wrong, but for the word index; empty when all is sound."""
    return [line for line in _complaints(store) if not OF_WORD_INDEX.search(line)]


def _complaints(store: Store) -> list[str]:
    try:
        return _lines(store, QUICK_CHECK)
    except DataRefused:
        # A virtual table that cannot be opened ends the check of the whole file, which says nothing of the others.
        tables = [QUICK_CHECK_OF.format(table=quoted(name)) for (name,) in store.db.execute(TABLES)]
        return [line for check in tables for line in _lines(store, check)][:MAX_COMPLAINTS]


def _lines(store: Store, check: str) -> list[str]:
    return [str(row[0]) for row in store.db.execute(check) if row[0] != "ok"]
