"""The word index: an FTS5 table beside the memories, kept in step by triggers. Examines it, and makes it anew.

It holds nothing that the memories do not hold: whatever happens to it, no memory is lost, and search by
meaning goes on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, StatementRefused, WordIndexUnusable
from ai_memory.stores.migrations import memories_sql

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.sqlite.connection import Connection

RENAME = "Rename memories_fts, then: ai-memory doctor --repair-fts"
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
COLUMNS = "SELECT name FROM pragma_table_info('memories_fts')"
NEWEST = """
    SELECT rowid, CAST(title AS BLOB) FROM main.memories WHERE typeof(title) = 'text' ORDER BY rowid DESC LIMIT 20
"""
FINDS = "SELECT count(*) FROM main.memories_fts WHERE memories_fts MATCH ? AND rowid = ?"
TRIGGERS = """
    SELECT coalesce(sql, '') FROM main.sqlite_master
    WHERE type = 'trigger' AND tbl_name = 'memories' COLLATE NOCASE AND sql LIKE '%memories_fts%'
"""
# One of our name may lead to a table that was renamed: SQLite renames it in the trigger as well.
DROP_TRIGGER = "DROP TRIGGER IF EXISTS main.{name}"
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
KIND = re.compile(
    r"\s*CREATE\s+VIRTUAL\s+TABLE\b.*\bUSING\s+fts5\b.*\bcontent\s*=\s*['\"]?memories\b", re.IGNORECASE | re.DOTALL
)
"""An index of FTS5 that keeps no text of its own: nothing is lost with it."""
INDEXED_COLUMNS = frozenset({"title", "content", "tags"})
WORD = re.compile(rb"(?<![^ ])[A-Za-z]{3,}(?![^ ])")
OURS = re.compile(r"CREATE (?:VIRTUAL TABLE|TRIGGER) (memories_\w+) .*?(?:\n\)|\nEND)(?=;)", re.DOTALL)
FILLS_IT = re.compile(r"""\bINTO\s+(?:["`\[]?main["`\]]?\s*\.\s*)?["'`\[]?memories_fts\b""", re.IGNORECASE)
EVENTS = {"memories_ai": "INSERT", "memories_ad": "DELETE", "memories_au": "UPDATE"}


def fault(store: Store) -> str | None:
    """Return what is wrong with the word index, as the end of a sentence about it; None when nothing is."""
    standing = store.db.execute(STANDING)
    if not standing:
        return "is missing"
    if not KIND.match(standing[0][1]):
        return f"is a {standing[0][0]} of another kind"
    if wrong := complaints(store):
        return f"is damaged: {wrong[0]}"
    if not _has_our_columns(store.db):
        return "does not have the columns title, content and tags"
    if missing := _missing_triggers(store.db):
        return f"is not kept up to date: the trigger {missing[0]} is missing"
    return None


def unusable(store: Store, error: DataRefused) -> WordIndexUnusable:
    """Return why words cannot be searched, with the way on that mends it; SQLite does not always say whose it is."""
    standing = store.db.execute(STANDING)
    if standing and not KIND.match(standing[0][1]):
        return WordIndexUnusable(store.db.path, f"it is a {standing[0][0]} of another kind", tip=RENAME)
    if isinstance(error, WordIndexUnusable):
        return error
    return WordIndexUnusable(store.db.path, "it is damaged")


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


def rebuild(transaction: Transaction) -> int:
    """Make the word index anew from the memories, and the triggers that are missing.

    The index keeps its own definition where that can still be used. Returns how many memories it holds.

    Raises:
        DataRefused: `memories_fts` is something else, which is not thrown away, or the memories cannot be read.
    """
    db = transaction.db
    standing = db.execute(STANDING)
    if standing and not KIND.match(standing[0][1]):
        raise DataRefused(
            f"{db.path}: memories_fts is a {standing[0][0]} of another kind, not a word index, and is not thrown away.",
            tip=RENAME,
        )
    with db.handle.inner_tables_writable():
        sound = standing and _has_our_columns(db)
        if not sound or not _tried(transaction, REBUILD):
            _make_anew(transaction, standing[0][1] if sound else "")
        for name in _missing_triggers(db):
            db.execute(DROP_TRIGGER.format(name=name))
            db.execute(_ours()[name])
    return int(db.value(INDEXED))


def _make_anew(transaction: Transaction, definition: str) -> None:
    db = transaction.db
    if not _tried(transaction, DROP):
        for statement in (*MEND_CONFIG, DROP):
            db.execute(statement)
    for statement in DROP_INSIDES:
        db.execute(statement)
    if not (definition and _tried(transaction, definition) and _tried(transaction, REBUILD)):
        db.execute(DROP)
        db.execute(_ours()["memories_fts"])
        db.execute(REBUILD)


def _tried(transaction: Transaction, statement: str) -> bool:
    """Run a statement and return whether the file let it pass."""
    try:
        transaction.db.execute(statement)
    except DataRefused:
        return False
    return True


def _has_our_columns(db: Connection) -> bool:
    try:
        return {str(row[0]) for row in db.execute(COLUMNS)} >= INDEXED_COLUMNS
    except DataRefused:
        return True  # it cannot be opened to tell; its definition is tried


def lost(store: Store) -> int | None:
    """Return the row of a memory that is not found by a word of its title, among the newest ones; None: all are.

    Raises:
        WordIndexUnusable: nothing can be searched.
    """
    for row_number, title in store.db.execute(NEWEST):
        word = WORD.search(title)
        if word and not store.db.value(FINDS, (f'title : "{word[0].decode()}"', row_number)):
            return int(row_number)
    return None


def _missing_triggers(db: Connection) -> list[str]:
    texts = [str(row[0]).upper() for row in db.execute(TRIGGERS) if FILLS_IT.search(row[0])]
    return [name for name, event in EVENTS.items() if not any(f"AFTER {event}" in " ".join(t.split()) for t in texts)]


def _ours() -> dict[str, str]:
    """Return the statements that make the word index and its triggers in a file of our own, by name."""
    return {found[1]: found[0] for found in OURS.finditer(memories_sql())}
