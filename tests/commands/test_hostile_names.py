"""A file's own names are data: whatever a column is called, no statement of ours runs what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.errors import StatementRefused
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.opening import reading, writing
from ai_memory.stores.sqlite.connection import open_database
from tests.commands.conftest import Cli
from tests.support import files

EXECUTED_BY_A_READER = """id") WHEN 'text' THEN 1 END FROM main.memories WHERE 0 AND ?=1; VACUUM INTO '{file}'; --"""
EXECUTED_BY_A_WRITER = """x") VALUES (1); COMMIT; ATTACH '{file}' AS other; CREATE TABLE other.t (x); --"""
EXECUTED_BY_A_BINDING = """x AS TEXT)); COMMIT; VACUUM INTO '{file}'; --"""
NAMES = ("last seen", "content-type", 'x""y', "a`b", "[c]", "", "'; --", ":value_0", "select", "ü", "{0}", "%s", "?1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return files.create(tmp_path / "gift.db", rows=2)


def with_column(path: Path, name: str) -> None:
    files.execute(path, f"ALTER TABLE memories ADD COLUMN {quoted(name)} TEXT")
    files.execute(path, f"UPDATE memories SET {quoted(name)} = 'here'")


@pytest.mark.parametrize("name", [EXECUTED_BY_A_READER, EXECUTED_BY_A_WRITER, EXECUTED_BY_A_BINDING])
@pytest.mark.parametrize(
    "words",
    [
        ["get", "id-000"],
        ["get", "x"],
        ["export"],
        ["list"],
        ["store", "-T", "t", "-c", "c", "--no-embed"],
        ["store", "-T", "title of id-000", "-c", "c", "-n", "a", "--no-embed"],
        ["delete", "id-000"],
        ["doctor"],
    ],
)
def test_no_command_runs_a_column_s_name(path: Path, tmp_path: Path, name: str, words: list[str], cli: Cli) -> None:
    written = tmp_path / "written-by-it"
    with_column(path, name.format(file=written))
    code = cli("--db", path, *words).code
    assert (written.exists(), code in (0, 1, 66)) == (False, True)


def test_an_import_runs_no_column_s_name(path: Path, tmp_path: Path, cli: Cli) -> None:
    written = tmp_path / "written-by-it"
    with_column(path, EXECUTED_BY_A_WRITER.format(file=written))
    lines = tmp_path / "all.jsonl"
    lines.write_text(cli("--db", path, "export").out)
    files.execute(path, "DELETE FROM memories")
    assert cli("--db", path, "import", "--no-embed", lines).code == 0
    assert not written.exists()
    assert files.execute(path, "SELECT count(*) FROM memories") == [(2,)]


@pytest.mark.parametrize("name", NAMES)
def test_a_column_of_any_name_is_read_and_written(path: Path, name: str) -> None:
    with_column(path, name)
    with writing(path, now_ms=0) as library, library.transaction() as transaction:
        before = library.memories.get("id-000")
        assert before is not None
        assert before.values[name] == "here"
        transaction.memories.update("id-000", {name: "changed"})
        transaction.memories.insert({**before.values, "id": "new", "title": "another", name: "fresh"})
    with reading(path) as read:
        found = {each.id: each.values[name] for each in read.listing.all(None)}
    assert found == {"id-000": "changed", "id-001": "here", "new": "fresh"}


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("sql", ["ATTACH '{file}' AS other", "VACUUM INTO '{file}'"])
def test_no_connection_reaches_a_second_file(path: Path, tmp_path: Path, sql: str, *, read_only: bool) -> None:
    second = tmp_path / "second.db"
    db = open_database(path, read_only=read_only)
    with pytest.raises(StatementRefused, match="too many attached"):
        db.execute(sql.format(file=second))
    db.close()
    assert not second.exists()
