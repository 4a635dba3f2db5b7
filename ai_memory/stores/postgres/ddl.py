"""Brings our own tables into a database, by the numbered SQL files of `migrations/postgres/`.

They stand in a schema of our own. A file is applied in one transaction and entered into the ledger `reembed_migration`
with the sha256 of its text. Where memories are there the file that makes them is entered without being run: no table
of the Rust program's is altered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.memory.text_codec import printable
from ai_memory.stores.migrations import MEMORIES, Migration, available
from ai_memory.stores.postgres.connection import OURS
from ai_memory.stores.postgres.tables import has_table
from ai_memory.stores.postgres.transactions import laying, transaction

if TYPE_CHECKING:
    from ai_memory.stores.postgres.connection import Connection
    from ai_memory.stores.postgres.vector_form import VectorForm

SCHEMA = f"CREATE SCHEMA IF NOT EXISTS {OURS}"
TEMPORARY_FIRST = "SELECT set_config('search_path', 'pg_temp, ' || current_setting('search_path'), false)"
LEDGER = f"""
    CREATE TABLE IF NOT EXISTS {OURS}.reembed_migration (
        version    INTEGER PRIMARY KEY,
        name       TEXT NOT NULL,
        sha256     TEXT NOT NULL,
        applied_at BIGINT NOT NULL
    )
"""
WITHIN = "SELECT set_config('search_path', %(ours)s || ', ' || current_setting('search_path'), true)"
AS_THE_USER = "SELECT set_config('search_path', replace(current_setting('search_path'), %(ours)s, ''), true)"
VECTORS = "ALTER TABLE memories ADD COLUMN embedding {type}"
HAS_TYPE = "SELECT to_regtype(%(name)s) IS NOT NULL"
DOMAIN = "CREATE DOMAIN {schema}.kept_vector AS {type}"
APPLIED = "SELECT version, name, sha256 FROM reembed_migration ORDER BY version"
ENTER = """
    INSERT INTO reembed_migration (version, name, sha256, applied_at)
    VALUES (%(version)s, %(name)s, %(sha256)s, %(now)s)
"""
STORE, TEMPORARY = "postgres", "pg_temp"
MAX_SHOWN = 80


def migrate(db: Connection, form: VectorForm, *, now_ms: int) -> None:
    """Apply what is missing; do nothing where nothing is.

    Raises:
        DataRefused: the ledger is newer than this program, or a file was changed after it was applied; or the user may
            make no schema there.
    """
    if _missing(db):
        with transaction(db):
            db.run(SCHEMA)
            db.run(LEDGER)
            if not db.value(HAS_TYPE, {"name": f"{OURS}.kept_vector"}):
                db.run(DOMAIN.format(schema=OURS, type=form.type))
        while pending := _missing(db):
            with transaction(db):
                _apply(db, pending[0], form, now_ms=now_ms)


def lay_empty_tables(db: Connection, form: VectorForm) -> None:
    """Lay our tables, empty, for this connection alone: for a database that is only read, and lacks them."""
    with laying(db):
        db.execute(TEMPORARY_FIRST)
        db.run(DOMAIN.format(schema=TEMPORARY, type=form.type))
        for migration in available(STORE):
            if migration.version != MEMORIES:
                db.run(migration.sql)
    db.pinned = True


def check_ledger(db: Connection) -> None:
    """Check that this program knows every migration the database has seen.

    Raises:
        DataRefused: the ledger is newer than this program, or disagrees with its files.
    """
    _missing(db)


def _missing(db: Connection) -> list[Migration]:
    known = {each.version: each for each in available(STORE)}
    applied = {version: (name, digest) for version, name, digest in _ledger(db)}
    for version, (name, digest) in applied.items():
        if version not in known:
            raise DataRefused(
                f"{db.name} has our tables in version {max(applied)}; this ai-memory knows up to {max(known)}.",
                tip="Upgrade it: in a newer checkout, type: pip install .",
            )
        if known[version].sha256 != digest:
            raise DataRefused(
                f"{db.name}: migration {printable(name[:MAX_SHOWN])} is not the one that this ai-memory ships.",
                tip="Use the release that wrote the database, or restore a backup.",
            )
    return [known[version] for version in sorted(known.keys() - applied.keys())]


def _ledger(db: Connection) -> list[tuple[int, str, str]]:
    found = db.execute(APPLIED) if has_table(db, "reembed_migration") else []
    return [(int(version), str(name), str(digest)) for version, name, digest in found]


def _apply(db: Connection, migration: Migration, form: VectorForm, *, now_ms: int) -> None:
    if any(version == migration.version for version, _, _ in _ledger(db)):
        return  # another process was faster
    if migration.version != MEMORIES:
        db.run(migration.sql)
    elif not has_table(db, "memories"):
        db.execute(AS_THE_USER, {"ours": f"{OURS}, "})
        db.run(migration.sql)
        db.run(VECTORS.format(type=form.type))
        db.execute(WITHIN, {"ours": OURS})
    entered = {"version": migration.version, "name": migration.name, "sha256": migration.sha256, "now": now_ms}
    db.execute(ENTER, entered)
