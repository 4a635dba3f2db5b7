"""A trigger may undo what was written, after the statement: then it is not told as done, and nothing is paid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Cli, Ran
from tests.support import files, shapes
from tests.support.fake_endpoint import FakeEndpoint

GONE = "leaves the row out"
BACK = "puts the row back as it was"
BY_ITSELF = "DELETE FROM memories WHERE id = new.id"
BY_ANOTHER = "INSERT INTO log VALUES (new.id)"
MOVED = "UPDATE memories SET id = id || '-x' WHERE id = new.id"
TAKING_OUT = {
    "by itself": f"CREATE TRIGGER r AFTER INSERT ON memories WHEN new.title = 'n1' BEGIN {BY_ITSELF}; END",
    "by another": f"CREATE TRIGGER r AFTER INSERT ON memories WHEN new.title = 'n1' BEGIN {BY_ANOTHER}; END",
    "moved": f"CREATE TRIGGER r AFTER INSERT ON memories WHEN new.title = 'n1' BEGIN {MOVED}; END",
}
OLD_CONTENT = "UPDATE memories SET content = old.content WHERE id = new.id"
PUTTING_BACK = {
    "content": f"CREATE TRIGGER r AFTER UPDATE OF content ON memories BEGIN {OLD_CONTENT}; END",
    "any": f"CREATE TRIGGER r AFTER UPDATE ON memories BEGIN {OLD_CONTENT}; END",
    "where": f"CREATE TRIGGER r AFTER UPDATE ON memories WHEN old.title = 'n1' BEGIN {OLD_CONTENT}; END",
}


@pytest.fixture(autouse=True)
def made(db: Path) -> None:
    shapes.build(db, 101, kinds=set(), rows=0)
    # With an empty index of words SQLite itself refuses what a trigger takes out before it is indexed.
    files.add(db, "base", title="base")
    files.execute(db, "CREATE TABLE log (id)")
    deep = f"CREATE TRIGGER deep AFTER INSERT ON log BEGIN {BY_ITSELF}; END"
    files.execute(db, deep)


def imported(cli: Cli, tmp_path: Path, *objects: object, flags: tuple[str, ...] = ("--no-embed",)) -> Ran:
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in objects))
    return cli("import", tmp_path / "in.jsonl", *flags)


def memory(title: str, content: str = "new", **more: object) -> dict[str, object]:
    return {"title": title, "content": content, **more}


def contents(db: Path) -> dict[str, str]:
    return dict(files.execute(db, "SELECT title, content FROM memories WHERE id <> 'base' ORDER BY title"))


@pytest.mark.parametrize("trigger", TAKING_OUT)
def test_a_memory_that_a_trigger_takes_out_is_not_stored(
    cli: Cli, db: Path, endpoint: FakeEndpoint, trigger: str
) -> None:
    files.execute(db, TAKING_OUT[trigger])
    ran = cli("store", "-T", "n1", "-c", "y")
    assert (ran.code, ran.out, ran.err.count("\n"), GONE in ran.err) == (65, "", 1, True)
    assert (contents(db), endpoint.seen.requests) == ({}, 0)


@pytest.mark.parametrize("trigger", ["by itself", "by another", "moved"])
def test_an_import_names_the_line_that_a_trigger_takes_out(cli: Cli, db: Path, tmp_path: Path, trigger: str) -> None:
    files.execute(db, TAKING_OUT[trigger])
    drafts = [memory("n0"), memory("n1"), memory("n2")]
    refused = imported(cli, tmp_path, *drafts)
    assert (refused.code, refused.err.count("\n"), contents(db)) == (65, 1, {})
    assert f"line 2: the database refuses it: a trigger of the table memories {GONE}" in refused.err
    ran = imported(cli, tmp_path, *drafts, flags=("--no-embed", "--skip-invalid", "--json"))
    assert (ran.code, ran.json["created"], ran.json["skipped"], list(contents(db))) == (0, 2, 1, ["n0", "n2"])


@pytest.mark.parametrize("trigger", PUTTING_BACK)
def test_a_text_that_a_trigger_puts_back_is_not_updated(
    cli: Cli, db: Path, tmp_path: Path, endpoint: FakeEndpoint, trigger: str
) -> None:
    assert cli("store", "-T", "n1", "-c", "old", "--no-embed").code == 0
    files.execute(db, PUTTING_BACK[trigger])
    stored = cli("store", "-T", "n1", "-c", "y")
    dated = memory("n1", updated_at="2026-01-01T00:00:00Z", version=9)
    taken = imported(cli, tmp_path, memory("n2"), dated, flags=())
    assert [(ran.code, ran.out, ran.err.count("\n"), BACK in ran.err) for ran in (stored, taken)] == [
        (65, "", 1, True)
    ] * 2
    assert "line 2: the database refuses it" in taken.err
    ran = imported(cli, tmp_path, memory("n2"), dated, flags=("--no-embed", "--skip-invalid", "--json"))
    assert (ran.code, ran.json["created"], ran.json["updated"], ran.json["skipped"]) == (0, 1, 0, 1)
    assert (contents(db), endpoint.seen.requests) == ({"n1": "old", "n2": "new"}, 0)


def test_a_memory_that_a_trigger_stores_again_is_not_deleted(cli: Cli, db: Path) -> None:
    assert cli("store", "-T", "n1", "-c", "old", "--no-embed").code == 0
    again = "INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at)"
    values = "VALUES (old.id, old.tier, old.namespace, old.title, old.content, old.created_at, old.updated_at)"
    files.execute(db, f"CREATE TRIGGER r AFTER DELETE ON memories BEGIN {again} {values}; END")
    ((row_id,),) = files.execute(db, "SELECT id FROM memories WHERE title = 'n1'")
    ran = cli("delete", row_id)
    assert (ran.code, ran.out, ran.err.count("\n")) == (65, "", 1)
    assert "a trigger of the database leaves it where it is" in ran.err
    assert contents(db) == {"n1": "old"}


def test_a_trigger_that_comes_before_the_indexing_is_not_told_as_a_damaged_index(cli: Cli, db: Path) -> None:
    assert cli("delete", "base").code == 0
    files.execute(db, TAKING_OUT["by itself"])
    ran = cli("store", "-T", "n1", "-c", "y", "--no-embed")
    assert (ran.code, ran.err.count("\n"), contents(db)) == (65, 1, {})
    assert "a trigger of the table memories changes the row before it is indexed by words" in ran.err


def test_links_that_a_trigger_takes_out_are_named_one_by_one(cli: Cli, db: Path, tmp_path: Path) -> None:
    body = "DELETE FROM memory_links WHERE source_id = new.source_id AND new.source_id = 'a'"
    files.execute(db, f"CREATE TRIGGER r AFTER INSERT ON memory_links BEGIN {body}; END")
    drafts = [memory("a", id="a"), memory("b", id="b")]
    links = [{"link": {"source_id": "a", "target_id": "b"}}, {"link": {"source_id": "b", "target_id": "a"}}]
    refused = imported(cli, tmp_path, *drafts, *links)
    assert (refused.code, contents(db)) == (65, {})
    assert f"line 3: the database refuses it: a trigger of the table memory_links {GONE}" in refused.err
    ran = imported(cli, tmp_path, *drafts, *links, flags=("--no-embed", "--skip-invalid", "--json"))
    assert (ran.code, ran.json["links"], ran.json["skipped"]) == (0, 1, 1)
    assert files.execute(db, "SELECT source_id FROM memory_links") == [("b",)]


LATER = {
    "the next memory": ("memories", "DELETE FROM memories WHERE id = 'a' AND new.id = 'c'"),
    "a link": ("memory_links", "DELETE FROM memories WHERE id = 'a'"),
}


@pytest.mark.parametrize("by", LATER)
def test_what_a_later_line_takes_out_again_is_named(cli: Cli, db: Path, tmp_path: Path, by: str) -> None:
    table, body = LATER[by]
    files.execute(db, f"CREATE TRIGGER r AFTER INSERT ON {table} BEGIN {body}; END")
    link = {"link": {"source_id": "b", "target_id": "c"}}
    drafts = [memory("a", id="a"), memory("b", id="b"), memory("c", id="c"), link]
    refused = imported(cli, tmp_path, *drafts)
    assert (refused.code, refused.err.count("\n"), contents(db)) == (65, 1, {})
    assert "line 1: a trigger of the database took it out again" in refused.err
    ran = imported(cli, tmp_path, *drafts, flags=("--no-embed", "--skip-invalid", "--json"))
    assert (ran.code, ran.json["created"], ran.json["skipped"], list(contents(db))) == (0, 2, 1, ["b", "c"])


def test_a_link_that_goes_with_a_later_link_is_named(cli: Cli, db: Path, tmp_path: Path) -> None:
    body = "DELETE FROM memory_links WHERE source_id <> new.source_id"
    files.execute(db, f"CREATE TRIGGER r AFTER INSERT ON memory_links BEGIN {body}; END")
    links = [{"link": {"source_id": "a", "target_id": "b"}}, {"link": {"source_id": "b", "target_id": "a"}}]
    refused = imported(cli, tmp_path, memory("a", id="a"), memory("b", id="b"), *links)
    assert refused.code == 65
    assert "line 3: a trigger of the database took it out again" in refused.err


REWRITING = "UPDATE memories SET content = lower(content), updated_at = '2030-01-01T00:00:00Z' WHERE id = new.id"


@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
def test_a_text_that_a_trigger_rewrites_is_stored_with_one_warning(
    cli: Cli, db: Path, tmp_path: Path, event: str
) -> None:
    if event == "UPDATE":
        assert cli("store", "-T", "n1", "-c", "old", "--no-embed").code == 0
    files.execute(db, f"CREATE TRIGGER r AFTER {event} ON memories BEGIN {REWRITING}; END")
    dated = memory("n1", "NEW", updated_at="2026-01-01T00:00:00Z")
    taken = imported(cli, tmp_path, dated, memory("n2", "plain", id="n2"), flags=("--no-embed", "-q"))
    (told,) = taken.err.splitlines()
    assert taken.code == 0
    assert told.endswith("a trigger of the database changed what was given of 1 memory: content, updated_at.")
    stored = cli("-q", "store", "-T", "n1" if event == "UPDATE" else "n3", "-c", "AGAIN", "--no-embed")
    assert (stored.code, stored.err.count("\n")) == (0, 1)
    assert "changed what was given: content." in stored.err
    assert set(contents(db).values()) == {"plain", "again"} | ({"new"} if event == "INSERT" else set())


def test_a_link_that_a_trigger_rewrites_is_taken_with_a_warning(cli: Cli, db: Path, tmp_path: Path) -> None:
    body = "UPDATE memory_links SET created_at = 'x' WHERE source_id = new.source_id"
    files.execute(db, f"CREATE TRIGGER r AFTER INSERT ON memory_links BEGIN {body}; END")
    drafts = [memory("a", id="a"), memory("b", id="b"), {"link": {"source_id": "a", "target_id": "b"}}]
    ran = imported(cli, tmp_path, *drafts, flags=("--no-embed", "--json"))
    assert (ran.code, ran.json["links"], "changed what was given: created_at" in ran.err) == (0, 1, True)


AUDIT = "CREATE TRIGGER r AFTER {} ON memories BEGIN INSERT INTO theirs VALUES (1); END"


def test_triggers_that_only_keep_their_own_tables_change_nothing(cli: Cli, db: Path, tmp_path: Path) -> None:
    files.execute(db, "CREATE TABLE theirs (x)")
    files.execute(db, AUDIT.format("INSERT"))
    drafts = [memory("n1", metadata={"a": 1}, tags=["x"], priority=3, confidence=1), memory("n2")]
    ran = imported(cli, tmp_path, *drafts)
    assert (ran.code, ran.err, "2 created" in ran.out) == (0, "", True)
    assert files.execute(db, "SELECT count(*) FROM theirs") == [(2,)]


def test_a_value_that_the_column_stores_as_another_type_is_no_change_of_a_trigger(
    cli: Cli, db: Path, tmp_path: Path
) -> None:
    body = "UPDATE memories SET version = version WHERE id = new.id"
    files.execute(db, f"CREATE TRIGGER r AFTER INSERT ON memories BEGIN {body}; END")
    ran = imported(cli, tmp_path, memory("n1", priority=3, confidence=1, access_count=2, source="x"))
    assert (ran.code, ran.err) == (0, "")
