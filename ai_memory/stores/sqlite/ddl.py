"""Brings our own tables into a database, by the numbered SQL files of `migrations/`.

A file is applied in one transaction and entered into the ledger `reembed_migration` with the sha256
of its text. In a database of the Rust program ai-memory (it has a `memories` table already) the file
that creates the memories is entered without being run: none of its tables is altered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.memory.text_codec import printable
from ai_memory.stores.migrations import MEMORIES, Migration, available
from ai_memory.stores.sqlite.transactions import transaction

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.connection import Connection

LEDGER = """
    CREATE TABLE IF NOT EXISTS reembed_migration (
        version    INTEGER PRIMARY KEY,
        name       TEXT NOT NULL,
        sha256     TEXT NOT NULL,
        applied_at INTEGER NOT NULL
    ) STRICT
"""
HAS_TABLE = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
APPLIED = "SELECT version, name, sha256 FROM reembed_migration ORDER BY version"
ENTER = "INSERT INTO reembed_migration (version, name, sha256, applied_at) VALUES (?, ?, ?, ?)"

MAX_SHOWN = 80


def has_table(db: Connection, name: str) -> bool:
    """Return whether the file has a table of that name."""
    return bool(db.value(HAS_TABLE, (name,)))


def migrate(db: Connection, *, now_ms: int) -> None:
    """Apply what is missing; do nothing where nothing is.

    Raises:
        DataRefused: the file's ledger is newer than this program, or a file was changed after it was applied.
    """
    if _missing(db):
        with transaction(db):
            db.execute(LEDGER)
        while pending := _missing(db):
            with transaction(db):
                _apply(db, pending[0], now_ms=now_ms)


def check_ledger(db: Connection) -> None:
    """Check that this program knows every migration the file has seen.

    Raises:
        DataRefused: the ledger is newer than this program, or disagrees with its files.
    """
    _missing(db)


def _missing(db: Connection) -> list[Migration]:
    known = {each.version: each for each in available()}
    applied = {version: (name, digest) for version, name, digest in _ledger(db)}
    for version, (name, digest) in applied.items():
        if version not in known:
            raise DataRefused(
                f"{db.path} has our tables in version {max(applied)}; this ai-memory knows up to {max(known)}.",
                tip="Upgrade it: in a newer checkout, type: pip install .",
            )
        if known[version].sha256 != digest:
            raise DataRefused(
                f"{db.path}: migration {name} is not the one that this ai-memory ships.",
                tip="Use the release that wrote the file, or restore a backup.",
            )
    return [known[version] for version in sorted(known.keys() - applied.keys())]


def _ledger(db: Connection) -> list[tuple[int, str, str]]:
    """Return version, name and hash of what the file has seen; the name is for people."""
    found = db.execute(APPLIED) if has_table(db, "reembed_migration") else []
    if any(not isinstance(version, int) for version, _, _ in found):
        raise DataRefused(
            f"{db.path} is damaged: its ledger reembed_migration has a version that is not a number.",
            tip="Restore a backup of the file.",
        )
    return [(version, printable(str(name)[:MAX_SHOWN]), str(digest)) for version, name, digest in found]


def _apply(db: Connection, migration: Migration, *, now_ms: int) -> None:
    if any(version == migration.version for version, _, _ in _ledger(db)):
        return  # another process was faster
    if migration.version != MEMORIES or not has_table(db, "memories"):
        db.execute(migration.sql)
    db.execute(ENTER, (migration.version, migration.name, migration.sha256, now_ms))
