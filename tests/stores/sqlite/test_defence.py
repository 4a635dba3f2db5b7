"""What a connection forbids: each switch and limit of the defence holds on the connection that statements run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from ai_memory.errors import StatementRefused, WordIndexUnusable
from ai_memory.stores.sqlite import defence
from ai_memory.stores.sqlite.connection import Connection, open_database
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.store import Store
from tests.support import files, shapes


@pytest.fixture(params=[True, False], ids=["read-only", "to write"])
def db(path: Path, request: pytest.FixtureRequest) -> Iterator[Connection]:
    opened = open_database(path, read_only=request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("pragma", "value"), [("trusted_schema", 0), ("cell_size_check", 1), ("mmap_size", 0), ("recursive_triggers", 0)]
)
def test_every_connection_has_the_pragmas_of_the_defence(db: Connection, pragma: str, value: int) -> None:
    assert db.value(f"PRAGMA {pragma}") in (value, None if pragma == "mmap_size" else value)


def test_every_name_of_the_defence_is_sqlites() -> None:
    assert [name for name in (*defence.CONFIG, *defence.LIMITS) if not isinstance(getattr(apsw, name, None), int)] == []


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE sqlite_master SET sql = 'x'", "may not be modified"),
        ("SELECT load_extension('x')", "not authorized"),
        (f"SELECT '{'x' * 1_000_001}'", "too big"),
        ("SELECT 'a' LIKE hex(zeroblob(2000))", "too complex"),
    ],
)
def test_what_no_statement_of_ours_needs_is_refused(path: Path, sql: str, words: str) -> None:
    db = open_database(path)
    db.execute("PRAGMA writable_schema = ON")
    with pytest.raises(StatementRefused, match=words):
        db.execute(sql)
    db.close()


def test_the_inside_of_the_word_index_is_not_written_directly(store: Store) -> None:
    with pytest.raises(WordIndexUnusable, match="may not be modified"):
        store.db.execute("UPDATE memories_fts_data SET block = x'00'")


def test_a_trigger_that_calls_itself_through_another_one_ends(path: Path) -> None:
    files.execute(path, "CREATE TABLE a (x)")
    files.execute(path, "CREATE TABLE b (x)")
    files.execute(path, "CREATE TRIGGER ta AFTER INSERT ON a BEGIN INSERT INTO b VALUES (new.x); END")
    files.execute(path, "CREATE TRIGGER tb AFTER INSERT ON b BEGIN INSERT INTO a VALUES (new.x); END")
    db = open_database(path)
    db.execute("PRAGMA recursive_triggers = ON")
    with pytest.raises(StatementRefused, match=r"triggers nested too deep|too many levels of trigger recursion"):
        db.execute("INSERT INTO a VALUES (1)")
    db.close()


def test_a_trigger_that_touches_its_own_table_runs_once_as_in_the_program_that_made_it(path: Path) -> None:
    touch = "UPDATE memories SET access_count = access_count + 1 WHERE id = new.id"
    files.execute(path, f"CREATE TRIGGER touch AFTER UPDATE ON memories BEGIN {touch}; END")

    with writing(path, now_ms=0) as store:
        store.db.execute("UPDATE memories SET content = 'new' WHERE id = 'id-000'")
        assert store.db.value("SELECT access_count FROM memories WHERE id = 'id-000'") == 1


def test_a_trigger_with_a_text_in_double_quotes_works_as_in_the_program_that_made_it(path: Path) -> None:
    with closing(apsw.Connection(str(path))) as other:
        other.execute('CREATE TRIGGER odd BEFORE UPDATE ON memories WHEN new.tier = "none" BEGIN SELECT 1; END')

    with writing(path, now_ms=0) as store:
        assert store.db.change("UPDATE memories SET content = 'new'") == 10


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_the_files_of_every_release_are_written_as_before(tmp_path: Path, version: int) -> None:
    path = shapes.build(tmp_path / "m.db", version, rows=3).path

    with writing(path, now_ms=0) as store:
        store.db.execute(
            "UPDATE memories SET title = title || '!', content = 'new words', tier = 'mid' WHERE rowid < 3"
        )
        store.db.execute("DELETE FROM memories WHERE rowid = 3")
        assert store.db.value("SELECT count(*) FROM memories_fts WHERE memories_fts MATCH 'words'") == 2

    assert files.integrity(path) == "ok"
