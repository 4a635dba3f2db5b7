"""Our own tables: applied once, in order, and refused where this program is too old for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.errors import DataRefused
from ai_memory.stores.migrations import available
from ai_memory.stores.sqlite import runs, walk
from ai_memory.stores.sqlite.connection import open_database
from ai_memory.stores.sqlite.database import reading, writing
from ai_memory.stores.sqlite.ddl import LEDGER as LEDGER_TABLE
from ai_memory.stores.sqlite.ddl import _apply, check_ledger, migrate
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.sqlite.transactions import transaction
from ai_memory.stores.values import HOT, NAMESPACE, Identity, Room, Terms
from tests.support import files, shapes

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
        ("UPDATE reembed_migration SET sha256 = 'x' WHERE version = 2", "is not the one that this ai-memory ships"),
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


RUN = """
    INSERT INTO reembed_run (target, target_model, scope_json, state, started_at, last_progress_at, tool_version)
    VALUES (1, 'm', 'null', ?, 1, 2, '')
"""
PROVENANCE = """
    INSERT INTO embedding_provenance (memory_id, fingerprint_id, src, head, origin)
    VALUES ('id', 1, x'02', x'03', 'reembed')
"""


def before(version: int, path: Path) -> Path:
    """Make a file as the release before a migration left it, with a row in quarantine and a view that is broken."""
    db = open_database(shapes.build(path, 80, rows=3).path)
    db.execute(LEDGER_TABLE)
    for each in available()[: version - 1]:
        with transaction(db):
            _apply(db, each, now_ms=0)
    db.execute(
        "INSERT INTO embedding_fingerprint (id, digest, spec_json, space, dim, created_at)"
        " VALUES (1, x'01', '{}', 'space', 16, 0)"
    )
    db.execute("INSERT INTO reembed_quarantine VALUES (1, 'id', x'02', 'refused', 400, 'no', 3, 4, 5)")
    db.execute("CREATE VIEW theirs AS SELECT a FROM nowhere")
    db.execute("CREATE TRIGGER audit AFTER UPDATE ON memories BEGIN INSERT INTO elsewhere VALUES (1); END")
    db.close()
    return path


def test_what_stands_in_quarantine_outlives_the_widening_of_its_table(tmp_path: Path) -> None:
    path = before(3, tmp_path / "m.db")

    with writing(path, now_ms=0) as store:
        found = store.db.execute("SELECT * FROM reembed_quarantine")
        store.db.execute("UPDATE reembed_quarantine SET kind = 'unwritable'")
        columns = [row[0] for row in store.db.execute("SELECT name FROM pragma_table_info('reembed_run')")]

    assert found == [(1, "id", b"\x02", "refused", 400, "no", 3, 4, 5)]
    assert "commits" in columns
    assert ("reembed_quarantine_before",) not in files.execute(path, TABLES)


def test_runs_and_what_refers_to_them_outlive_the_widening_of_their_table(tmp_path: Path) -> None:
    path = before(8, tmp_path / "m.db")
    for state in ("done", "paused"):
        files.execute(path, RUN, state)
    files.execute(path, "INSERT INTO reembed_checkpoint VALUES (2, 'ns', 'id', 1, 0, 3, 4)")
    files.execute(path, "INSERT INTO reembed_event VALUES (2, 5, 'started', '{}')")
    files.execute(path, "UPDATE reembed_run SET walk_order = 'hot', reads = 7, reads_left = 6, put_back = 5")
    files.execute(path, "INSERT INTO reembed_hot_list VALUES (2, 1, 0, 8)")
    files.execute(path, "INSERT INTO reembed_hot VALUES (2, 1, 'id')")
    tables = ("checkpoint", "event", "hot_list", "hot", "run")
    kept = [f"SELECT * FROM reembed_{each}" for each in tables]
    told = [files.execute(path, each) for each in kept]

    with writing(path, now_ms=0) as store:
        assert [store.db.execute(each) for each in kept] == [*told[:-1], [(*row, 0, 0) for row in told[-1]]]
        assert store.db.execute("PRAGMA foreign_key_check") == []
        found = store.runs.unfinished()
        assert found is not None
        assert (found.run_id, found.state, found.staged, found.order) == (2, "paused", False, HOT)
        with store.transaction() as transaction:
            transaction.runs.cancel(now_ms=0)
            third = runs.begin_run(transaction, target=1, target_model="m", terms=Terms(), now_ms=0, tool_version="")
        assert third.run_id == 3

    assert ("reembed_run_before",) not in files.execute(path, TABLES)


@pytest.mark.parametrize("version", [each.version for each in available()[2:]])
def test_a_file_of_a_release_before_is_read_without_being_migrated(tmp_path: Path, version: int) -> None:
    path = before(version, tmp_path / "m.db")
    files.execute(path, RUN, "running")
    files.execute(path, PROVENANCE)

    with reading(path) as store:
        assert [row.id for row in walk.all_rows(store, target=1, only=None)]
        found = runs.unfinished_run(store)
        assert found is not None
        assert (found.target_model, found.counted, found.counters.asked_again) == ("m", None, 0)
        assert found.order == NAMESPACE
        assert store.db.execute("SELECT * FROM reembed_approval") == []
        assert [each.settings for each in store.targets.kept()] == [""]
        target = store.targets.known(Identity(b"\x01", "{}", "space", 16))
        assert target is not None
        assert (target.stretch, store.targets.unproven(target)) == (0, ["id"])
        assert (found.keeps_previous, found.kept, store.targets.previous.kept()) == (False, Room(), [])

    assert len(files.execute(path, LEDGER)) == version - 1


@pytest.mark.parametrize(
    ("states", "approved"),
    [
        (("done",), [("space", 16)]),
        (("done", "cancelled"), []),
        (("cancelled", "done"), [("space", 16)]),
        (("running",), []),
        ((), []),
    ],
)
def test_the_target_of_the_last_completed_run_is_approved_in_a_file_from_before(
    tmp_path: Path, states: tuple[str, ...], approved: list[tuple[str, int]]
) -> None:
    path = before(4, tmp_path / "m.db")
    for state in states:
        files.execute(path, RUN, state)

    with writing(path, now_ms=0) as store:
        assert store.db.execute("SELECT space, dim FROM reembed_approval") == approved
