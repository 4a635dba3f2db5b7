"""Our own tables: applied once, in order, and refused where this program is too old for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.errors import DataRefused
from ai_memory.store.connection import open_database
from ai_memory.store.migrate import available, check_ledger, migrate
from ai_memory.store.opening import Store
from tests import files, shapes

LEDGER = "SELECT version, name, sha256 FROM reembed_migration ORDER BY version"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'reembed%' OR name LIKE 'embedding%'"


def test_the_numbers_of_the_files_have_no_gap_and_no_double() -> None:
    assert [each.version for each in available()] == list(range(1, len(available()) + 1))


def test_a_new_file_has_every_migration_in_its_ledger(store: Store) -> None:
    assert store.db.execute(LEDGER) == [(each.version, each.name, each.sha256) for each in available()]


def test_migrating_twice_changes_nothing(store: Store) -> None:
    before = store.db.execute("SELECT * FROM reembed_migration"), store.db.execute("SELECT sql FROM sqlite_master")

    migrate(store.db, now_ms=99)

    after = store.db.execute("SELECT * FROM reembed_migration"), store.db.execute("SELECT sql FROM sqlite_master")
    assert after == before


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_a_file_of_the_rust_program_gets_our_tables_and_keeps_its_own(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version, rows=3)
    before = files.everything_else(shape.path)
    db = open_database(shape.path)

    migrate(db, now_ms=0)
    db.close()

    assert files.everything_else(shape.path) == before
    assert len(files.execute(shape.path, LEDGER)) == len(available())
    assert ("reembed_run",) in files.execute(shape.path, TABLES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("INSERT INTO reembed_migration VALUES (99, 'later.sql', 'x', 0)", "version 99"),
        ("UPDATE reembed_migration SET sha256 = 'x' WHERE version = 2", "is not the one this ai-memory ships"),
    ],
)
def test_a_ledger_that_this_program_does_not_know_is_refused(store: Store, change: str, words: str) -> None:
    store.db.execute(change)

    with pytest.raises(DataRefused, match=words):
        migrate(store.db, now_ms=0)
    with pytest.raises(DataRefused, match=words):
        check_ledger(store.db)


def test_a_migration_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path = shapes.build(tmp_path / "m.db", 80, rows=1).path
    files.execute(path, "CREATE TABLE reembed_event (something_else)")
    db = open_database(path)

    with pytest.raises(Exception, match="reembed_event already exists"):
        migrate(db, now_ms=0)
    db.close()

    assert sorted(files.execute(path, TABLES)) == [("reembed_event",), ("reembed_migration",)]
