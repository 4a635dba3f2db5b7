"""import, export and backfill on the command line."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from ai_memory.stores.holder import Holder
from ai_memory.stores.sqlite.lock import runner_lock
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.commands.conftest import Cli
from tests.support import files, shapes
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

NOT_EXPORTED = {"embedding", "embedding_dim", "embedding_space"}


def lines(tmp_path: Path, *objects: object) -> Path:
    file = tmp_path / "in.jsonl"
    file.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in objects))
    return file


def rows(db: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(db)
    connection.row_factory = sqlite3.Row
    connection.text_factory = bytes
    found = [dict(row) for row in connection.execute("SELECT * FROM memories ORDER BY CAST(title AS BLOB), namespace")]
    connection.close()
    return [{name: value for name, value in row.items() if name not in NOT_EXPORTED} for row in found]


def test_a_file_is_imported_and_embedded(cli: Cli, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    file = lines(tmp_path, {"title": "a", "content": "1"}, {"title": "b", "content": "2", "namespace": "x/y"})
    ran = cli("import", file, "--json")
    assert (ran.json["created"], ran.json["vectors"], ran.json["embedded"]) == (2, 2, True)
    # Both are asked for again, one of them also as numbers, to be compared with its base64.
    assert endpoint.seen.texts == {"a 1": 3, "b 2": 2, **dict.fromkeys(WITNESS_TEXTS, 2)}


def test_the_same_file_twice_changes_nothing(cli: Cli, db: Path, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    file = lines(tmp_path, {"title": "a", "content": "1", "id": "one"}, {"title": "b", "content": "2", "tags": ["t"]})
    cli("import", file)
    before, sent = rows(db), endpoint.seen.texts.total()
    assert cli("import", file, "--json").json["unchanged"] == 2
    assert (rows(db), endpoint.seen.texts.total()) == (before, sent)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ('{"title": "b", "content": ', "not JSON"),
        ("[1]", "not an object"),
        ('{"title": "b"}', "no content"),
        ('{"content": "b"}', "no title"),
        ('{"title": "b", "content": "c", "priority": 11}', "priority"),
        ('{"title": "b", "content": "c", "tier": "eternal"}', "tier"),
        ('{"title": "b", "content": "c", "namespace": "a//b"}', "namespace"),
        ('{"title": "b", "content": "c", "id": "a b"}', "id"),
        ('{"title": "b", "content": "c", "tags": "t"}', "tags"),
        ('{"title": "b", "content": 7}', "content"),
        ('{"title": "b", "content": "\\ud800"}', "content"),
        ('{"title": "b", "content": "c", "expires_at": "tomorrow"}', "expires_at"),
        ('{"title": "b", "content": "c", "version": 1e999}', "version"),
        ('{"title": "b", "content": "c", "confidence": NaN}', "NaN"),
        ('{"title": "a", "content": "c"}', "line 1"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(cli: Cli, db: Path, tmp_path: Path, bad: str, what: str) -> None:
    ran = cli("import", lines(tmp_path, {"title": "a", "content": "1"}, bad), "--no-embed")
    assert (ran.code, ran.err.count("\n"), "line 2" in ran.err, what in ran.err) == (65, 1, True, True)
    assert not db.exists()


def test_a_fault_that_only_the_database_shows_rolls_the_whole_file_back(cli: Cli, db: Path, tmp_path: Path) -> None:
    cli("import", lines(tmp_path, {"title": "a", "content": "1", "id": "A"}, {"title": "b", "content": "2", "id": "B"}))
    before = rows(db)
    clash = lines(tmp_path, {"title": "c", "content": "3"}, {"title": "b", "content": "x", "id": "A"})
    ran = cli("import", clash)
    assert (ran.code, "line 2" in ran.err, rows(db) == before) == (65, True, True)


def test_a_dead_embedder_keeps_the_texts_and_backfill_does_the_rest(
    cli: Cli, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    endpoint.fail("unauthorized", times=FOREVER)
    ran = cli("import", lines(tmp_path, {"title": "a", "content": "1"}, {"title": "b", "content": "2"}), "--json")
    assert (ran.code, ran.json["embedded"], ran.json["created"], ran.err.count("warning")) == (0, False, 2, 1)
    assert cli("backfill").code == 77
    endpoint.heal()
    filled = cli("backfill", "--json")
    counts = {"total": 2, "embedded": 2, "raced": 0, "remaining": 0, "asked_again": 2, "texts_sent_twice": 0}
    assert (filled.code, filled.json) == (0, counts)
    assert cli("backfill", "--json").json["total"] == 0


def test_backfill_names_the_row_that_the_endpoint_refuses(cli: Cli, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    many = [{"title": f"t{n}", "content": "poison" if n == 7 else "fine", "id": f"row-{n}"} for n in range(20)]
    cli("import", lines(tmp_path, *many), "--no-embed")
    endpoint.change(poison="poison")
    ran = cli("backfill", "--json")
    assert (ran.code, ran.json["embedded"], ran.json["remaining"], "row-7" in ran.err) == (10, 19, 1, True)


def test_backfill_leaves_every_vector_and_every_odd_row_alone(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    shape = shapes.build(db, 57)
    lacking = [row for row in shape.of_kind(shapes.PLAIN) if row.blob is None]
    ran = cli("backfill", "--json")
    assert (ran.json["embedded"], len(endpoint.seen.texts.keys() - WITNESS_TEXTS)) == (len(lacking), len(lacking))
    with sqlite3.connect(db) as connection:
        stored = dict(connection.execute("SELECT id, embedding FROM memories WHERE id IS NOT NULL"))
    assert all(stored[row.id] == row.blob for row in shape.rows if row.blob is not None)


def test_backfill_adds_no_vector_of_another_space_than_the_files(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    shapes.build(db, 101)
    before = files.vectors(db)
    ran = cli("backfill")
    assert (ran.code, endpoint.seen.requests, files.vectors(db)) == (12, 0, before)
    assert f"is served in {shapes.SPACE}, {shapes.DIM} wide" in ran.err
    assert "ai-memory reembed" in ran.err


def test_backfill_holds_the_lock_of_a_run(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    cli("init")
    with runner_lock(db, Holder(os.getpid(), socket.gethostname(), time.time_ns() // 10**6)) as obtained:
        assert obtained
        assert cli("backfill").code == 11
    assert cli("backfill").code == 0
    assert endpoint.seen.requests == 0


@pytest.mark.usefixtures("quiet_embedder")
def test_only_a_configured_embedder_can_backfill(cli: Cli) -> None:
    cli("init")
    assert cli("backfill").code == 2


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_an_export_imported_into_the_same_shape_is_the_identity(
    cli: Cli, db: Path, tmp_path: Path, version: int
) -> None:
    shapes.build(db, version, kinds=shapes.KINDS - {shapes.NULL_ID})
    before = rows(db)
    file = tmp_path / "all.jsonl"
    file.write_text(cli("export").out, "utf-8", "backslashreplace")
    empty = tmp_path / "empty.db"
    shapes.build(empty, version, kinds=set(), rows=0)
    ran = cli("--db", empty, "import", file, "--no-embed", "--json")
    assert (ran.code, ran.json["created"], rows(empty)) == (0, len(before), before)
    assert cli("import", file, "--no-embed", "--json").json["unchanged"] == len(before)


def test_json_export_is_one_object_that_can_be_imported(cli: Cli, tmp_path: Path) -> None:
    cli("import", lines(tmp_path, {"title": "a", "content": "1"}, {"title": "b", "content": "2"}), "--no-embed")
    ran = cli("export", "--json")
    assert [each["title"] for each in ran.json["memories"]] == ["a", "b"]
    (tmp_path / "whole.json").write_text(ran.out)
    assert cli("import", tmp_path / "whole.json", "--no-embed", "--json").json["unchanged"] == 2


@pytest.mark.parametrize("indent", [None, 2])
def test_the_export_of_the_real_program_is_taken(
    cli: Cli, upstream_dir: Path, tmp_path: Path, indent: int | None
) -> None:
    export = json.loads((upstream_dir / "v0.10.0.export.json").read_text())
    file = tmp_path / "export.json"
    file.write_text(json.dumps(export, indent=indent))
    ran = cli("import", file, "--no-embed", "--json", "-q")
    assert (ran.code, ran.json["created"]) == (0, export["count"])
    assert all("memory_kind" in line for line in ran.err.splitlines())
    kept = cli("export", "--json").json["memories"]
    assert [{name: old[name] for name in new} for old, new in zip(export["memories"], kept, strict=True)] == kept


def test_a_real_export_goes_back_into_the_real_file_without_a_change(cli: Cli, upstream_dir: Path) -> None:
    database, export = upstream_dir / "v0.10.0.db", upstream_dir / "v0.10.0.export.json"
    before = rows(database)
    ran = cli("--db", database, "import", export, "--no-embed", "--json")
    assert (ran.json["unchanged"], ran.json["kept_encrypted"], rows(database)) == (27, 2, before)


def test_a_missing_file_exits_66(cli: Cli) -> None:
    assert cli("import", "nowhere.jsonl").code == 66
