"""A memory that something else in the database holds on to is not deleted, and the one line says by what it is held."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support import files, shapes


@pytest.fixture(autouse=True)
def made(db: Path) -> None:
    shapes.build(db, 101, kinds=set(), rows=0)
    for name in "ab":
        files.add(db, name, "x")


HOLDERS = [
    (["CREATE TABLE notes (m REFERENCES memories(id))"], "INSERT INTO notes VALUES ('a')", "1 of the table notes"),
    (["CREATE TABLE notes (m REFERENCES memories)"], "INSERT INTO notes VALUES ('a')", "1 of the table notes"),
    (
        ['CREATE TABLE "my notes" ("the m" REFERENCES Memories(id) ON DELETE RESTRICT)'],
        "INSERT INTO \"my notes\" VALUES ('a'), ('a'), ('b')",
        "2 of the table my notes",
    ),
    (
        ["CREATE TABLE n (t, ns, FOREIGN KEY (t, ns) REFERENCES memories(title, namespace))"],
        "INSERT INTO n VALUES ('title a', 'x')",
        "1 of the table n",
    ),
    (
        ["CREATE TABLE n (m REFERENCES memories(id))", "CREATE TABLE o (m REFERENCES memories(id))"],
        "INSERT INTO n VALUES ('a'); INSERT INTO o VALUES ('a')",
        "1 of the table n and 1 of the table o",
    ),
]


@pytest.mark.parametrize(("tables", "rows", "told"), HOLDERS, ids=[told for *_, told in HOLDERS])
def test_rows_that_refer_to_a_memory_are_named(cli: Cli, db: Path, tables: list[str], rows: str, told: str) -> None:
    for sql in (*tables, *rows.split("; ")):
        files.execute(db, sql)
    before = files.everything_else(db)
    ran = cli("delete", "a")
    assert (ran.code, ran.out, ran.err.count("\n")) == (64, "", 1)
    assert f"Rows refer to a: {told}." in ran.err
    assert files.everything_else(db) == before


FORBIDS = [("ABORT, 'legal hold'", "legal hold"), ("ROLLBACK, 'legal hold'", "legal hold"), ("FAIL, 'x'", "x")]


@pytest.mark.parametrize(("action", "told"), [*FORBIDS, ("IGNORE", "a trigger of the database")])
def test_a_trigger_that_forbids_it_is_quoted(cli: Cli, db: Path, action: str, told: str) -> None:
    files.execute(db, f"CREATE TRIGGER hold BEFORE DELETE ON memories BEGIN SELECT raise({action}); END")
    before = files.everything_else(db)
    ran = cli("delete", "a")
    assert (ran.code, ran.err.count("\n"), told in ran.err) == (65, 1, True)
    assert files.everything_else(db) == before


@pytest.mark.parametrize("action", [action for action, _ in FORBIDS] + ["IGNORE"])
def test_a_trigger_that_holds_its_link_back_holds_the_memory(cli: Cli, db: Path, action: str) -> None:
    link = "INSERT INTO memory_links (source_id, target_id, relation, created_at) VALUES ('a', 'b', 'supersedes', '')"
    files.execute(db, link)
    files.execute(db, f"CREATE TRIGGER hold BEFORE DELETE ON memory_links BEGIN SELECT raise({action}); END")
    before = files.everything_else(db)
    ran = cli("delete", "a")
    assert (ran.code, ran.err.count("\n")) == (65, 1)
    assert files.everything_else(db) == before


def test_a_reference_that_goes_along_holds_nothing(cli: Cli, db: Path) -> None:
    files.execute(db, "CREATE TABLE notes (m REFERENCES memories(id) ON DELETE SET NULL)")
    files.execute(db, "INSERT INTO notes VALUES ('a')")
    assert cli("delete", "a").code == 0
    assert files.execute(db, "SELECT m FROM notes") == [(None,)]


def test_what_hangs_on_what_goes_along_is_one_line_too(cli: Cli, db: Path) -> None:
    files.execute(db, "CREATE TABLE notes (k PRIMARY KEY, m REFERENCES memories(id) ON DELETE CASCADE)")
    files.execute(db, "CREATE TABLE marks (k REFERENCES notes(k))")
    files.execute(db, "INSERT INTO notes VALUES (1, 'a')")
    files.execute(db, "INSERT INTO marks VALUES (1)")
    ran = cli("delete", "a")
    assert (ran.code, ran.err.count("\n"), "FOREIGN KEY constraint failed" in ran.err) == (65, 1, True)


def test_a_reference_that_sqlite_cannot_follow_is_told_in_its_words(cli: Cli, db: Path) -> None:
    files.execute(db, "CREATE TABLE notes (m REFERENCES memories(nowhere))")
    ran = cli("delete", "a")
    assert (ran.code, ran.err.count("\n"), "foreign key mismatch" in ran.err) == (65, 1, True)
