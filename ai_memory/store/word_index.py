"""The word index: an FTS5 table beside the memories, kept in step by triggers. Examines it, and makes it anew.

It holds nothing that the memories do not hold: whatever happens to it, no memory is lost, and search by
meaning goes on.
"""

from __future__ import annotations

import re

from ai_memory.errors import DataRefused, StatementRefused, WordIndexUnusable
from ai_memory.store.connection import Database
from ai_memory.store.migrate import memories_sql
from ai_memory.store.opening import Store

STANDING = "SELECT type, coalesce(sql, '') FROM main.sqlite_master WHERE name = 'memories_fts' COLLATE NOCASE"
CHECK = "PRAGMA main.quick_check(memories_fts)"
PROBE = "SELECT count(*) FROM main.memories_fts WHERE memories_fts MATCH 'a'"
NOT_INDEXED = """
    SELECT count(*) FROM main.memories AS m
    WHERE NOT EXISTS (SELECT 1 FROM main.memories_fts_docsize AS d WHERE d.id = m.rowid)
"""
INDEXED_IN_VAIN = """
    SELECT count(*) FROM main.memories_fts_docsize AS d
    WHERE NOT EXISTS (SELECT 1 FROM main.memories AS m WHERE m.rowid = d.id)
"""
TRIGGERS = """
    SELECT coalesce(sql, '') FROM main.sqlite_master
    WHERE type = 'trigger' AND tbl_name = 'memories' COLLATE NOCASE AND sql LIKE '%memories_fts%'
"""
REBUILD = "INSERT INTO main.memories_fts (memories_fts) VALUES ('rebuild')"
INDEXED = "SELECT count(*) FROM main.memories_fts_docsize"
# FTS5 opens no table whose configuration is missing or of another format, and so cannot drop it either.
MEND_CONFIG = (
    "CREATE TABLE IF NOT EXISTS main.memories_fts_config (k PRIMARY KEY, v) WITHOUT ROWID",
    "INSERT OR REPLACE INTO main.memories_fts_config (k, v) VALUES ('version', 4)",
)
DROP = "DROP TABLE IF EXISTS main.memories_fts"
DROP_INSIDES = tuple(
    f"DROP TABLE IF EXISTS main.memories_fts_{part}" for part in ("data", "idx", "content", "docsize", "config")
)
FTS5 = re.compile(r"\s*CREATE\s+VIRTUAL\s+TABLE\b.*\bUSING\s+fts5\b", re.IGNORECASE | re.DOTALL)
OURS = re.compile(r"CREATE (?:VIRTUAL TABLE|TRIGGER) (memories_\w+) .*?(?:\n\)|\nEND)(?=;)", re.DOTALL)
EVENTS = {"memories_ai": "INSERT", "memories_ad": "DELETE", "memories_au": "UPDATE"}


def fault(store: Store) -> str | None:
    """Return what is wrong with the word index, as the end of a sentence about it; None when nothing is."""
    standing = store.db.execute(STANDING)
    if not standing:
        return "is missing"
    if not FTS5.match(standing[0][1]):
        return f"is a {standing[0][0]} of another kind"
    if wrong := complaints(store):
        return f"is damaged: {wrong[0]}"
    if missing := _missing_triggers(store.db):
        return f"is not kept up to date: the trigger {missing[0]} is missing"
    return None


def complaints(store: Store) -> list[str]:
    """Return SQLite's own words on what is wrong inside the word index; empty where nothing is, or there is none."""
    if not store.db.execute(STANDING):
        return []
    try:
        store.db.execute(PROBE)
        store.db.execute(INDEXED)
        return [str(row[0]) for row in store.db.execute(CHECK) if row[0] != "ok"]
    except (WordIndexUnusable, StatementRefused) as error:
        return [error.words]
    except DataRefused as error:
        return [error.what]


def out_of_step(store: Store) -> int:
    """Return how many memories a search by words cannot find, and entries of the index without a memory.

    Raises:
        WordIndexUnusable: there is no index to compare with.
    """
    return int(store.db.value(NOT_INDEXED)) + int(store.db.value(INDEXED_IN_VAIN))


def rebuild(store: Store) -> int:
    """Make the word index anew from the memories, and the triggers that are missing; inside a transaction.

    The index keeps its own definition where that can still be used. Returns how many memories it holds.

    Raises:
        DataRefused: `memories_fts` is something else, which is not thrown away, or the memories cannot be read.
    """
    db = store.db
    standing = db.execute(STANDING)
    if standing and not FTS5.match(standing[0][1]):
        raise DataRefused(
            f"{db.path}: memories_fts is a {standing[0][0]} of another kind, not a word index, and is not thrown away.",
            tip="Rename it, then: ai-memory doctor --repair-fts",
        )
    with db.inner_tables_writable():
        if not standing or not _tried(db, REBUILD):
            _make_anew(db, standing[0][1] if standing else "")
        for name in _missing_triggers(db):
            db.execute(_ours()[name])
    return int(db.value(INDEXED))


def _make_anew(db: Database, definition: str) -> None:
    if not _tried(db, DROP):
        for statement in (*MEND_CONFIG, DROP):
            db.execute(statement)
    for statement in DROP_INSIDES:
        db.execute(statement)
    if not (definition and _tried(db, definition) and _tried(db, REBUILD)):
        db.execute(DROP)
        db.execute(_ours()["memories_fts"])
        db.execute(REBUILD)


def _tried(db: Database, statement: str) -> bool:
    """Run a statement and return whether the file let it pass."""
    try:
        db.execute(statement)
    except DataRefused:
        return False
    return True


def _missing_triggers(db: Database) -> list[str]:
    texts = [str(row[0]).upper() for row in db.execute(TRIGGERS)]
    return [name for name, event in EVENTS.items() if not any(f"AFTER {event}" in " ".join(t.split()) for t in texts)]


def _ours() -> dict[str, str]:
    """Return the statements that make the word index and its triggers in a file of our own, by name."""
    return {found[1]: found[0] for found in OURS.finditer(memories_sql())}
