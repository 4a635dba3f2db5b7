"""The one door to a store: read-only for looking, writable for work, refused where a file is not ours to use."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import gettempdir

import apsw
import pytest

from ai_memory.errors import DataRefused
from ai_memory.stores.sqlite.database import reading, writing
from ai_memory.stores.sqlite.store import Store
from tests.support import files, shapes


def test_reading_changes_no_byte_of_a_file_without_our_tables(tmp_path: Path) -> None:
    shape = shapes.build(tmp_path / "m.db", 80, rows=3)
    before = shape.path.read_bytes()

    with reading(shape.path) as store:
        assert store.db.value("SELECT count(*) FROM embedding_provenance") == 0
        assert store.db.value("SELECT count(*) FROM reembed_run") == 0

    assert shape.path.read_bytes() == before


def test_writing_brings_our_tables_into_the_file(tmp_path: Path) -> None:
    shape = shapes.build(tmp_path / "m.db", 80, rows=3)

    with writing(shape.path, now_ms=0):
        pass

    assert files.execute(shape.path, "SELECT count(*) FROM reembed_run") == [(0,)]


def test_an_empty_file_becomes_a_database_only_where_one_may_be_created(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    path.touch()

    for refused in (writing(path, now_ms=0), reading(path)):
        with pytest.raises(DataRefused, match="is an empty file"), refused:
            pass
    with writing(path, now_ms=0, create=True) as store:
        assert store.db.value("SELECT count(*) FROM memories") == 0


def test_a_foreign_database_is_not_changed_by_being_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    files.execute(path, "CREATE TABLE notes (x)")

    for create in (False, True):
        with pytest.raises(DataRefused, match="not an ai-memory database"), writing(path, now_ms=0, create=create):
            pass

    assert files.execute(path, "SELECT name FROM sqlite_master") == [("notes",)]


def test_a_schema_of_the_rust_program_that_nobody_knows_is_read_but_not_written(tmp_path: Path) -> None:
    shape = shapes.build(tmp_path / "m.db", 101, rows=3)
    files.execute(shape.path, "INSERT INTO schema_version VALUES (9999)")

    with pytest.raises(DataRefused, match="schema 9999"), writing(shape.path, now_ms=0):
        pass
    with reading(shape.path) as store:
        assert store.schema.version == 9999


def test_a_reopened_store_has_its_view_again(store: Store) -> None:
    store.committed(None, None)

    assert store.db.value("SELECT count(*) FROM memory_row") == 10


@pytest.mark.parametrize("mode", ["delete", "wal", "truncate", "persist"])
def test_a_file_keeps_its_journal_mode(tmp_path: Path, mode: str) -> None:
    path = shapes.build(tmp_path / "m.db", 80, rows=3).path
    files.execute(path, f"PRAGMA journal_mode = {mode}")

    with writing(path, now_ms=0, create=True) as store:
        store.db.execute("UPDATE memories SET content = 'new'")

    # Truncate and persist are a connection's own way of keeping the one journal there is beside WAL.
    assert files.execute(path, "PRAGMA journal_mode") == [("wal" if mode == "wal" else "delete",)]


def test_a_new_file_is_in_wal_mode(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 0)

    assert files.execute(path, "PRAGMA journal_mode") == [("wal",)]


def with_a_log(path: Path) -> None:
    """Leave the last change of a database in its log, as a program that was killed does."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE later (x)")
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder but the index of a log, which is memory and no content."""
    return {each.name: each.read_bytes() for each in folder.iterdir() if not each.name.endswith("-shm")}


@pytest.mark.parametrize(("mode", "log"), [("delete", False), ("wal", False), ("wal", True)])
@pytest.mark.parametrize("what", ["another program's", "a newer schema", "a newer ledger"])
def test_a_file_that_is_refused_keeps_every_byte(tmp_path: Path, what: str, mode: str, *, log: bool) -> None:
    path = tmp_path / "m.db"
    if what == "another program's":
        files.execute(path, "CREATE TABLE bookmarks (url)")
    else:
        shapes.build(path, 101, rows=1)
        files.execute(path, "INSERT INTO schema_version VALUES (9999)")
    if what == "a newer ledger":
        files.execute(path, "DELETE FROM schema_version WHERE version = 9999")
        files.execute(path, "CREATE TABLE reembed_migration (version, name, sha256)")
        files.execute(path, "INSERT INTO reembed_migration VALUES (99, 'later', 'x')")
    files.execute(path, f"PRAGMA journal_mode = {mode}")
    if log:
        with_a_log(path)
    before = contents(tmp_path)

    for create in (False, True):
        with pytest.raises(DataRefused), writing(path, now_ms=0, create=create):
            pass

    assert contents(tmp_path) == before


KILLED = """
import os, apsw
c = apsw.Connection({path!r}); c.execute("PRAGMA cache_size = 2"); c.execute("BEGIN")
c.execute("UPDATE memories SET content = content || hex(zeroblob(9000))"); os.kill(os.getpid(), 9)
"""


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    """A database in DELETE mode whose writer was killed in the middle of a transaction."""
    path = files.create(tmp_path / "m.db", 8)
    files.execute(path, "PRAGMA journal_mode = DELETE")
    subprocess.run([sys.executable, "-c", KILLED.format(path=str(path))], check=False)
    assert path.with_name("m.db-journal").stat().st_size > 0
    return path


def test_a_write_that_was_cut_off_is_undone_by_whoever_reads_next(cut_off: Path) -> None:
    with reading(cut_off) as store:
        assert store.db.value("SELECT max(length(content)) FROM memories") < 100

    assert not cut_off.with_name("m.db-journal").exists()


def test_a_write_that_was_cut_off_is_undone_by_whoever_writes_next(cut_off: Path) -> None:
    with writing(cut_off, now_ms=0) as store:
        assert store.db.value("SELECT max(length(content)) FROM memories") < 100


def test_a_write_that_was_cut_off_is_told_to_whoever_may_not_undo_it(cut_off: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can act as another user")
    shared = Path(gettempdir()).resolve()
    for each in (cut_off, *(parent for parent in cut_off.parents if shared in parent.parents)):
        each.chmod(0o755)
    os.seteuid(65_534)
    try:
        with pytest.raises(DataRefused, match=r"m\.db-journal.* of a write that was cut off"), reading(cut_off):
            pass
    finally:
        os.seteuid(0)


ODD = {
    "a view": (
        "DROP TABLE memories",
        "CREATE VIEW memories AS SELECT 1 AS id, 2 namespace, 3 title, 4 content, 5 embedding",
    ),
    "a virtual table": ("DROP TABLE memories", "CREATE VIRTUAL TABLE memories USING fts5(id, namespace, title)"),
    "without row numbers": (
        "DROP TABLE memories",
        "CREATE TABLE memories (id TEXT PRIMARY KEY, namespace, title, content, embedding) WITHOUT ROWID",
    ),
    "schema_version is abc": ("CREATE TABLE schema_version (version)", "INSERT INTO schema_version VALUES ('abc')"),
    "no such column: version": ("CREATE TABLE schema_version (v)",),
    "ledger reembed_migration has a version": (
        "DROP TABLE reembed_migration",
        "CREATE TABLE reembed_migration (version, name, sha256)",
        "INSERT INTO reembed_migration VALUES ('x', NULL, x'00')",
    ),
    "no such column: sha256": ("DROP TABLE reembed_migration", "CREATE TABLE reembed_migration (version, name)"),
}


@pytest.mark.parametrize("words", ODD)
def test_an_odd_schema_is_refused_in_one_line(path: Path, words: str) -> None:
    for statement in ODD[words]:
        files.execute(path, statement)

    for refused in (reading(path), writing(path, now_ms=0)):
        with pytest.raises(DataRefused, match=words), refused:
            pass


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX odd ON memories (lower(title))",
        "CREATE INDEX odd ON memories (lower(title), namespace, id)",
        "CREATE VIEW schema_version AS SELECT 'x' AS version",
        "CREATE TABLE memory_row (x)",
        "ALTER TABLE memories ADD COLUMN live",
    ],
)
def test_a_schema_that_is_only_unusual_is_no_hindrance(path: Path, statement: str) -> None:
    files.execute(path, statement)

    with writing(path, now_ms=0) as store:
        assert store.db.value("SELECT count(*) FROM memory_row WHERE live") == 10
    with reading(path) as store:
        assert store.schema.walk_index


def test_a_name_that_is_not_valid_text_is_told_and_not_printed(path: Path) -> None:
    files.execute(path, "DROP TABLE reembed_migration")
    files.execute(path, "CREATE TABLE reembed_migration (version, name, sha256)")
    files.execute(path, "INSERT INTO reembed_migration VALUES (1, CAST(x'1b5b32ff' AS TEXT), '')")

    with pytest.raises(DataRefused, match=r"\\x1b\[2\\xff is not valid text"), reading(path):
        pass
