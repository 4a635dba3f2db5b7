"""The one door to a store: read-only for looking, writable for work, refused where a file is not ours to use."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.errors import DataRefused
from ai_memory.store.opening import Store, reading, reopen, writing
from tests import files, shapes


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
    reopen(store)

    assert store.db.value("SELECT count(*) FROM memory_row") == 10
