"""The word index is only an index: whatever happened to it, search by meaning goes on and a command rebuilds it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ai_memory.stores.opening import reading
from tests.commands.conftest import Cli
from tests.support import files, shapes
from tests.support.fake_endpoint import FakeEndpoint

UNGUARDED = "PRAGMA writable_schema = ON"
UNKNOWN_TOKENIZER = """
    UPDATE sqlite_master SET sql = replace(sql, 'content_rowid', 'tokenize = ''app'', content_rowid')
    WHERE name = 'memories_fts'
"""
TRIGGERS = ("memories_ai", "memories_ad", "memories_au")
DAMAGE: Mapping[str, tuple[str, ...]] = {
    "blocks gone": ("DELETE FROM memories_fts_data WHERE id > 10",),
    "all blocks gone": ("DELETE FROM memories_fts_data",),
    "garbage in the blocks": ("UPDATE memories_fts_data SET block = x'ffffffffffff'",),
    "no blocks table": ("DROP TABLE memories_fts_data",),
    "no index table": ("DROP TABLE memories_fts_idx",),
    "no sizes table": ("DROP TABLE memories_fts_docsize",),
    "no configuration table": ("DROP TABLE memories_fts_config",),
    "a format of the future": ("UPDATE memories_fts_config SET v = 99 WHERE k = 'version'",),
    "a tokenizer of the app": (UNGUARDED, UNKNOWN_TOKENIZER),
    "absent": ("DROP TABLE memories_fts",),
    "absent, insides left": ("DROP TABLE memories_fts", "CREATE TABLE memories_fts_data (id INTEGER PRIMARY KEY, x)"),
    "absent with its triggers": ("DROP TABLE memories_fts", *(f"DROP TRIGGER {name}" for name in TRIGGERS)),
    "no trigger for edits": ("DROP TRIGGER memories_au",),
    "other columns": (
        "DROP TABLE memories_fts",
        "CREATE VIRTUAL TABLE memories_fts USING fts5(title, content=memories)",
    ),
    "empty blocks": ("UPDATE memories_fts_data SET block = zeroblob(20)",),
    "out of step": ("INSERT INTO memories_fts(memories_fts) VALUES ('delete-all')",),
}
OF_ANOTHER_KIND = {
    "a table": ("DROP TABLE memories_fts", "CREATE TABLE memories_fts (title, content, tags)"),
    "a view": ("DROP TABLE memories_fts", "CREATE VIEW memories_fts AS SELECT title FROM memories"),
    "an index with a text of its own": (
        "DROP TABLE memories_fts",
        "CREATE VIRTUAL TABLE memories_fts USING fts5(title, content, tags)",
    ),
    "an index of FTS4": ("DROP TABLE memories_fts", "CREATE VIRTUAL TABLE memories_fts USING fts4 (title, content)"),
}
SEARCHABLE = {"no trigger for edits", "out of step", "no sizes table", "other columns", "empty blocks"}
UNSEARCHABLE = sorted(DAMAGE.keys() - SEARCHABLE)
UNWRITABLE = sorted(DAMAGE.keys() - {"no trigger for edits", "out of step", "absent with its triggers", "blocks gone"})


@pytest.fixture
def filled(cli: Cli, db: Path, endpoint: FakeEndpoint) -> Path:
    files.create(db, rows=6)
    assert cli("backfill").code == 0
    assert endpoint.seen.requests
    return db


def harm(db: Path, statements: tuple[str, ...]) -> None:
    # On one connection: that with the schema writable.
    with files.opened(db) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("damage", UNSEARCHABLE)
def test_recall_goes_on_by_meaning_and_names_the_repair(cli: Cli, filled: Path, damage: str) -> None:
    harm(filled, DAMAGE[damage])
    ran = cli("recall", "title", "--json")
    assert (ran.code, ran.json["by"], len(ran.json["memories"])) == (0, "meaning", 6)
    assert ran.err.count("ai-memory doctor --repair-fts") == 1


@pytest.mark.parametrize("damage", UNSEARCHABLE)
def test_recall_without_an_embedder_refuses_and_names_the_repair(
    cli: Cli, filled: Path, damage: str, quiet_embedder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del quiet_embedder
    monkeypatch.delenv("AI_MEMORY_EMBED_BACKEND")
    harm(filled, DAMAGE[damage])
    ran = cli("recall", "title")
    assert (ran.code, ran.out) == (65, "")
    assert "Rebuild it from the memories: ai-memory doctor --repair-fts" in ran.err


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_the_repair_removes_what_doctor_found_and_no_memory(cli: Cli, filled: Path, damage: str) -> None:
    before = cli("export").out
    harm(filled, DAMAGE[damage])
    found = cli("doctor", "--json")
    assert found.code == 1
    assert [line for line in found.json["findings"] if line.endswith(": ai-memory doctor --repair-fts")]

    repaired = cli("doctor", "--repair-fts", "--json")

    assert (repaired.code, repaired.json["findings"], repaired.json["word_index"]) == (0, [], "ok")
    assert cli("export").out == before
    assert cli("store", "-T", "afterwards", "-c", "quokka").code == 0
    with reading(filled) as library:
        assert len(list(library.search.matches("quokka", None))) == 1


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_the_repair_leaves_an_index_as_the_rust_program_would_make_it(cli: Cli, db: Path, version: int) -> None:
    shapes.build(db, version)
    before = schema(db)
    harm(db, DAMAGE["blocks gone"])
    cli("doctor", "--repair-fts")
    assert schema(db) == before


@pytest.mark.parametrize("damage", UNWRITABLE)
def test_a_writer_that_the_index_stops_is_told_of_the_repair(cli: Cli, filled: Path, damage: str) -> None:
    harm(filled, DAMAGE[damage])
    ran = cli("store", "-T", "another", "-c", "text", "--no-embed")
    assert (ran.code, ran.err.count("\n")) == (65, 1)
    assert "ai-memory doctor" in ran.err


@pytest.mark.parametrize("kind", sorted(OF_ANOTHER_KIND))
def test_what_is_no_word_index_is_not_thrown_away(cli: Cli, filled: Path, kind: str) -> None:
    harm(filled, OF_ANOTHER_KIND[kind])
    before = schema(filled)
    assert "of another kind" in cli("doctor", "--json").json["word_index"]
    ran = cli("doctor", "--repair-fts")
    assert (ran.code, schema(filled)) == (65, before)
    assert "is not thrown away" in ran.err


@pytest.mark.parametrize("kind", ["a table", "a view"])
def test_recall_names_what_mends_an_index_that_is_something_else(cli: Cli, filled: Path, kind: str) -> None:
    harm(filled, OF_ANOTHER_KIND[kind])
    ran = cli("recall", "title", "--json")
    assert (ran.code, ran.json["by"], len(ran.json["memories"])) == (0, "meaning", 6)
    assert f"it is {kind} of another kind. Rename memories_fts, then: ai-memory doctor --repair-fts" in ran.err


def test_recall_goes_on_by_meaning_where_a_page_of_the_index_is_damaged(cli: Cli, filled: Path) -> None:
    with files.opened(filled) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        [(size,)] = connection.execute("PRAGMA page_size")
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'memories_fts_data'")
    with filled.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 200)
    ran = cli("recall", "title", "--json")
    assert (ran.code, ran.json["by"], len(ran.json["memories"])) == (0, "meaning", 6)
    assert ran.err.strip().endswith("Rebuild it from the memories: ai-memory doctor --repair-fts")
    # A page cannot be made anew in place; the repair says what can.
    assert "is damaged: database disk image is malformed: ai-memory restore BACKUP" in cli("doctor", "--repair-fts").out


def test_what_was_renamed_out_of_the_way_is_replaced_and_its_triggers_with_it(cli: Cli, filled: Path) -> None:
    harm(filled, (*OF_ANOTHER_KIND["a table"], "ALTER TABLE memories_fts RENAME TO old_fts"))
    repaired = cli("doctor", "--repair-fts", "--json")
    assert (repaired.code, repaired.json["word_index"]) == (0, "ok")
    assert files.execute(filled, "SELECT count(*) FROM old_fts") == [(0,)]
    assert repaired.json["writes_refused"] == {"memory": {}, "link": {}}
    files.edit(filled, "id-000", "edited")
    assert cli("delete", "id-001").code == 0
    assert cli("doctor", "--json").json["not_indexed"] == 0


def test_a_row_that_its_database_keeps_is_told_once(cli: Cli, filled: Path) -> None:
    kept = "BEFORE UPDATE OF embedding ON memories WHEN old.id = 'id-000' BEGIN SELECT RAISE(ABORT, 'hold'); END"
    no_vector = "UPDATE memories SET embedding = NULL, embedding_dim = NULL WHERE id = 'id-000'"
    harm(filled, (no_vector, f"CREATE TRIGGER kept {kept}"))
    assert cli("reembed").code == 10
    told = cli("doctor", "--json").json
    assert (told["missing"], told["quarantined"]) == (0, 1)


def test_a_damaged_index_is_not_told_as_a_damaged_database(cli: Cli, filled: Path) -> None:
    harm(filled, DAMAGE["blocks gone"])
    assert cli("doctor", "--json").json["integrity"] == "ok"


def schema(db: Path) -> list[tuple[str, str]]:
    statement = "SELECT name, coalesce(sql, '') FROM sqlite_master WHERE name LIKE 'memories%' ORDER BY name"
    return [(name, sql) for name, sql in files.execute(db, statement)]


@pytest.mark.parametrize("command", ["reembed", "backfill"])
@pytest.mark.parametrize("damage", ["blocks gone", "garbage in the blocks", "no sizes table", "absent"])
def test_no_text_is_paid_for_where_every_vector_rewrites_a_damaged_index(
    cli: Cli, db: Path, endpoint: FakeEndpoint, damage: str, command: str
) -> None:
    shapes.build(db, 52)
    harm(db, DAMAGE[damage])
    ran = cli(command)
    assert (ran.code, endpoint.seen.requests) == (65, 0)
    assert "Rebuild it from the memories: ai-memory doctor --repair-fts" in ran.err

    cli("doctor", "--repair-fts")

    assert cli(command).code == 10
    assert endpoint.seen.requests
