"""One memory on the command line: init, store, get, list, delete, stats, namespaces."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pytest

from ai_memory.stores.sqlite.database import reading
from tests.commands.conftest import Cli
from tests.support import shapes
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

ADDRESS = "127.0.0.1:9"


def vectors(db: Path) -> dict[str, tuple[bytes | None, int | None, str | None]]:
    with sqlite3.connect(db) as connection:
        found = connection.execute("SELECT title, embedding, embedding_dim, embedding_space FROM memories").fetchall()
    return {title: (blob, dim, space) for title, blob, dim, space in found}


def provenance(db: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(db) as connection:
        return connection.execute(
            "SELECT m.title, p.origin FROM embedding_provenance AS p JOIN memories AS m ON m.id = p.memory_id"
        ).fetchall()


def test_init_refuses_a_file_that_is_there(cli: Cli, db: Path) -> None:
    assert cli("init").code == 0
    before = db.read_bytes()
    assert cli("init").code == 64
    assert db.read_bytes() == before


def test_a_stored_memory_is_embedded_with_its_provenance(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    stored = cli("store", "-T", "Tea", "-c", "green", "-n", "kitchen", "--tags", "a, b", "-t", "long", "--json").json
    assert stored["embedded"] is True
    assert vectors(db)["Tea"] == (b"\x01" + endpoint.vector("Tea green").tobytes(), 16, "fake#none")
    assert provenance(db) == [("Tea", "store")]
    shown = cli("get", stored["id"], "--json").json
    assert (shown["tags"], shown["tier"], shown["namespace"], shown["version"]) == (["a", "b"], "long", "kitchen", 1)


def test_storing_again_keeps_the_id_and_counts_the_version_up(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    first = cli("store", "-T", "Tea", "-c", "green", "--json").json
    second = cli("store", "-T", "Tea", "-c", "black", "--json").json
    assert second == {"id": first["id"], "outcome": "updated", "embedded": True, "new_database": False}
    shown = cli("get", first["id"], "--json").json
    assert (shown["content"], shown["version"]) == ("black", 2)
    assert vectors(db)["Tea"][0] == b"\x01" + endpoint.vector("Tea black").tobytes()


def test_storing_the_same_sends_no_text_again(cli: Cli, endpoint: FakeEndpoint) -> None:
    cli("store", "-T", "Tea", "-c", "green")
    again = cli("store", "-T", "Tea", "-c", "green", "--json").json
    assert (again["outcome"], again["embedded"]) == ("unchanged", True)
    assert endpoint.seen.texts["Tea green"] == 1


def test_an_embedder_that_fails_costs_the_vector_never_the_text(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    cli("store", "-T", "Tea", "-c", "green")
    endpoint.fail("unauthorized", times=FOREVER)
    ran = cli("store", "-T", "Tea", "-c", "black", "--json")
    assert (ran.code, ran.json["embedded"], ran.err.count("warning")) == (0, False, 1)
    assert vectors(db) == {"Tea": (None, None, None)}
    assert provenance(db) == []
    assert cli("get", ran.json["id"], "--json").json["content"] == "black"


@pytest.mark.usefixtures("quiet_embedder")
def test_without_an_embedder_the_text_is_stored_without_a_vector(cli: Cli, db: Path) -> None:
    ran = cli("store", "-T", "Tea", "-c", "green", "--json")
    assert (ran.code, ran.json["embedded"], vectors(db)) == (0, False, {"Tea": (None, None, None)})


def test_a_text_nobody_embeds_is_stored_with_a_warning(cli: Cli, endpoint: FakeEndpoint) -> None:
    ran = cli("store", "-T", "long", "-c", "x" * 65_536, "--json")
    assert (ran.code, ran.json["embedded"], ran.err.count("warning"), endpoint.seen.requests) == (0, False, 1, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        ["-n", "a//b"],
        ["-n", "../b"],
        ["-n", ""],
        ["-n", "/".join("abcdefghi")],
        ["-n", "x" * 513],
        ["-t", "eternal"],
        ["-T", ""],
        ["-T", " \t"],
        ["-T", "\u200b\u3000\u00ad"],
        ["-p", "11"],
        ["-p", "much"],
    ],
)
def test_a_memory_that_breaks_a_rule_is_refused_before_a_file_is_made(cli: Cli, db: Path, wrong: list[str]) -> None:
    ran = cli("store", "-T", "Tea", "-c", "green", *wrong)
    assert (ran.code, ran.err.count("\n"), db.exists()) == (64, 1, False)


def test_content_can_come_from_stdin(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("first\nsecond é".encode())))
    stored = cli("store", "-T", "Tea", "-c", "-", "--no-embed", "--json").json
    assert cli("get", stored["id"], "--json").json["content"] == "first\nsecond é"


def test_a_deleted_memory_leaves_no_provenance(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    stored = cli("store", "-T", "Tea", "-c", "green", "--json").json
    assert endpoint.seen.requests
    assert cli("delete", stored["id"]).code == 0
    assert (vectors(db), provenance(db)) == ({}, [])
    assert [cli(command, stored["id"]).code for command in ("delete", "get")] == [66, 66]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_database_that_a_mistyped_path_begins_is_told(cli: Cli, db: Path, tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "one.jsonl").write_text('{"title": "Rice", "content": "white"}', encoding="utf-8")
    lines = (["store", "-T", "Tea", "-c", "green"], ["import", str(tmp_path / "one.jsonl")])
    for line in lines:
        began, went_on = (cli(*line, "--no-embed", *more) for _ in range(2))
        assert (began.err, went_on.err) == (f"Created {db}.\n", "")
        if more:
            assert (began.json["new_database"], went_on.json["new_database"]) == (True, False)
        db.unlink()


def test_list_and_export_show_what_lies_below_a_namespace(cli: Cli) -> None:
    for name in ("a", "a/b", "a/b/c", "ab"):
        cli("store", "-T", f"in {name}", "-c", "x", "-n", name, "--no-embed")
    assert [each["title"] for each in cli("list", "-n", "a/*", "--json").json["memories"]] == ["in a/b", "in a/b/c"]
    assert [each["title"] for each in cli("export", "-n", "a/*", "--json").json["memories"]] == ["in a/b", "in a/b/c"]


@pytest.mark.parametrize("line", [["list", "-n"], ["export", "-n"], ["recall", "x", "-n"], ["reembed", "--namespace"]])
@pytest.mark.usefixtures("endpoint")
def test_an_unknown_namespace_has_one_answer_everywhere(cli: Cli, db: Path, line: list[str]) -> None:
    cli("store", "-T", "Tea", "-c", "green", "-n", "team/notes", "--no-embed")
    ran = cli(*line, "team/note")
    told = f"There is no namespace team/note in {db}. Did you mean team/notes? See ai-memory"
    assert (ran.code, ran.out) == (66, "")
    assert ran.err.count(told) == 1


def test_one_memory_is_told_as_one(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"title": "Rice", "content": "white"}', encoding="utf-8")
    shown = [
        cli(*line).out for line in (["import", str(tmp_path / "one.jsonl"), "--no-embed"], ["stats"], ["namespaces"])
    ]
    assert [text for text in shown if "1 memory" not in text or "1 memories" in text] == []


def test_list_shows_the_namespace_named_and_no_other(cli: Cli) -> None:
    for name in ("a", "a/b", "A"):
        cli("store", "-T", f"in {name}", "-c", "x", "-n", name, "--no-embed")
    assert [each["title"] for each in cli("list", "-n", "a", "--json").json["memories"]] == ["in a"]
    assert cli("list", "--json").json["count"] == 3


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_every_command_that_reads_stands_every_shape(cli: Cli, db: Path, version: int) -> None:
    shape = shapes.build(db, version)
    rows = len(shape.rows)
    assert cli("list", "--json").json["count"] == rows
    assert cli("stats", "--json").json["memories"] == rows
    assert sum(each["memories"] for each in cli("namespaces", "--json").json["namespaces"]) == rows
    assert all(cli("get", row.id).code == 0 for row in shape.rows if row.id)
    assert len(cli("export").out.splitlines()) == rows


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_a_database_of_the_rust_program_takes_new_and_changed_memories(
    cli: Cli, db: Path, version: int, endpoint: FakeEndpoint
) -> None:
    shape = shapes.build(db, version)
    old = shape.of_kind(shapes.PLAIN)[0]
    assert cli("store", "-T", "new", "-c", "text", "--json").json["embedded"] is True
    assert cli("store", "-T", old.title, "-n", old.namespace, "-c", "edited", "--json").json["id"] == old.id
    with sqlite3.connect(db) as connection:
        found = connection.execute("SELECT embedding FROM memories WHERE id = ?", (old.id,)).fetchone()
        connection.execute("INSERT INTO memories_fts(memories_fts, rank) VALUES ('integrity-check', 1)")
    assert found == (b"\x01" + endpoint.vector(f"{old.title!s} edited").tobytes(),)


def test_an_encrypted_memory_is_not_replaced_by_plain_text(cli: Cli, db: Path) -> None:
    (sealed,) = shapes.build(db, 101).of_kind(shapes.ENCRYPTED)
    ran = cli("store", "-T", sealed.title, "-n", sealed.namespace, "-c", "plain", "--no-embed")
    assert (ran.code, "encrypted" in ran.err) == (64, True)
    with sqlite3.connect(db) as connection:
        stored = connection.execute("SELECT content, encrypted_envelope FROM memories WHERE id = ?", (sealed.id,))
        assert stored.fetchone() == ("", sealed.envelope)


def test_stats_count_the_spaces_and_the_bytes(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    for title in ("a", "b"):
        cli("store", "-T", title, "-c", "x")
    cli("store", "-T", "c", "-c", "x", "--no-embed")
    stats = cli("stats", "--json").json
    assert endpoint.seen.requests
    assert stats["spaces"] == [{"space": "fake#none", "dim": 16, "rows": 2}]
    assert (stats["memories"], stats["with_vector"], stats["db_bytes"]) == (3, 2, db.stat().st_size)


def test_what_reads_leaves_the_file_as_it_is(cli: Cli, db: Path) -> None:
    shapes.build(db, 80)
    with reading(db):
        pass
    before = db.read_bytes()
    for line in (["list"], ["stats"], ["namespaces"], ["export"], ["doctor"], ["recall", "note"]):
        cli(*line)
    assert db.read_bytes() == before


def test_to_delete_what_is_not_there_changes_nothing_of_the_file(cli: Cli, db: Path) -> None:
    shapes.build(db, 80)
    before = db.read_bytes()
    assert cli("delete", "nosuch").code == 66
    assert db.read_bytes() == before


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("asked", ["notes/a", "notes/*"])
def test_a_namespace_that_delete_emptied_is_nothing_to_do_and_no_typing_error(cli: Cli, asked: str) -> None:
    verbs = (("list", "-n"), ("export", "-n"), ("recall", "x", "-n"))
    stored = cli("store", "-n", "notes/a", "-T", "t", "-c", "text", "--json").json
    cli("delete", stored["id"])

    assert [cli(*verb, asked).code for verb in verbs] == [0, 0, 0]
    assert [cli(*verb, "typo").code for verb in verbs] == [66, 66, 66]


@pytest.mark.usefixtures("endpoint")
def test_a_run_over_a_namespace_that_delete_emptied_finds_nothing_to_do(cli: Cli) -> None:
    stored = cli("store", "-n", "notes", "-T", "t", "-c", "text", "--json").json
    cli("delete", stored["id"])

    assert cli("reembed", "--namespace", "notes").code == 0
    assert cli("reembed", "--namespace", "typo").code == 66


@pytest.mark.usefixtures("endpoint")
def test_a_namespace_that_import_moved_the_last_memory_out_of_is_seen(cli: Cli, tmp_path: Path) -> None:
    stored = cli("store", "-n", "before", "-T", "t", "-c", "text", "--json").json
    moved = tmp_path / "moved.jsonl"
    moved.write_text(json.dumps({"id": stored["id"], "namespace": "after", "title": "t", "content": "text"}))
    assert cli("import", str(moved)).code == 0

    assert [cli("list", "-n", name).code for name in ("before", "after", "typo")] == [0, 0, 66]
