"""Asks SQLite whether a file is sound; reads only."""

from __future__ import annotations

from ai_memory.errors import DataRefused
from ai_memory.store.opening import Store
from ai_memory.store.refusals import OF_WORD_INDEX
from ai_memory.store.text import quoted

MAX_COMPLAINTS = 20
QUICK_CHECK = "PRAGMA main.quick_check({what})"
INTEGRITY_CHECK = "PRAGMA main.integrity_check({what})"
"""The same, and every index compared with its table."""
TABLES = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')"


def complaints(store: Store, *, thorough: bool = False) -> list[str]:
    """Return what SQLite's check, the quick or the thorough one, finds wrong but for the word index; empty: sound."""
    check = INTEGRITY_CHECK if thorough else QUICK_CHECK
    return [line for line in _complaints(store, check) if not OF_WORD_INDEX.search(line)]


def _complaints(store: Store, check: str) -> list[str]:
    try:
        return _lines(store, check.format(what=MAX_COMPLAINTS))
    except DataRefused:
        # A virtual table that cannot be opened ends the check of the whole file, which says nothing of the others.
        tables = [check.format(what=quoted(name)) for (name,) in store.db.execute(TABLES)]
        return [line for check in tables for line in _lines(store, check)][:MAX_COMPLAINTS]


def _lines(store: Store, check: str) -> list[str]:
    return [str(row[0]) for row in store.db.execute(check) if row[0] != "ok"]
