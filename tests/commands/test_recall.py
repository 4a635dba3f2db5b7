"""recall and doctor on the command line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ai_memory.actions.blend import WORDS_WEIGHT
from tests.commands.conftest import Cli
from tests.support import files, shapes
from tests.support.fake_endpoint import FOREVER, FakeEndpoint


def test_recall_answers_in_one_json_object(cli: Cli, endpoint: FakeEndpoint) -> None:
    stored = cli("store", "-T", "Tea", "-c", "green leaves", "--json").json
    assert endpoint.seen.requests
    ran = cli("recall", "leaves", "--json").json
    (memory,) = ran["memories"]
    score, cosine = memory.pop("score"), memory.pop("cosine")
    assert memory == {"id": stored["id"], "title": "Tea", "namespace": "global", "content": "green leaves"}
    assert score == pytest.approx((cosine + WORDS_WEIGHT) / (1 + WORDS_WEIGHT), abs=1e-3)


@pytest.mark.usefixtures("endpoint")
def test_people_are_shown_the_cosine_or_that_only_words_were_found(cli: Cli) -> None:
    cli("store", "-T", "Tea", "-c", "green leaves")
    cli("store", "-T", "Coffee", "-c", "green beans", "--no-embed")
    found = {each["title"]: each["cosine"] for each in cli("recall", "green", "--json").json["memories"]}
    shown = [line.split("  (")[0] for line in cli("recall", "green").out.splitlines() if not line.startswith("    ")]
    assert sorted(shown) == sorted([f"{found['Tea']:<5.2f} global  Tea", "words global  Coffee"])
    assert found["Coffee"] is None


@pytest.mark.usefixtures("quiet_embedder")
def test_by_words_alone_no_number_is_shown_as_a_likeness(cli: Cli) -> None:
    cli("store", "-T", "Tea", "-c", "green leaves")
    assert cli("recall", "leaves").out.splitlines()[0].startswith("words global  Tea  (")


def test_recall_says_on_stderr_how_many_rows_it_left_out(
    cli: Cli, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("store", "-T", "Tea", "-c", "green leaves")
    endpoint.change(model="other")
    monkeypatch.setenv("AI_MEMORY_EMBED_MODEL", "other")
    ran = cli("recall", "something else", "--json")
    assert (ran.json["memories"], ran.json["left_out"]) == ([], {"other_space": 1})
    assert "1 with a vector of another space" in ran.err


def test_recall_with_a_dead_endpoint_searches_by_words(cli: Cli, endpoint: FakeEndpoint) -> None:
    cli("store", "-T", "Tea", "-c", "green leaves")
    endpoint.fail("unauthorized", times=FOREVER)
    ran = cli("recall", "leaves", "--json")
    assert (ran.code, ran.err.count("warning"), ran.json["by"], len(ran.json["memories"])) == (0, 1, "words", 1)


@pytest.mark.usefixtures("quiet_embedder")
def test_recall_without_an_embedder_searches_by_words(cli: Cli) -> None:
    cli("store", "-T", "Tea", "-c", "green leaves")
    ran = cli("recall", "leaves", "--json")
    assert (ran.code, ran.err.count("\n"), [each["title"] for each in ran.json["memories"]]) == (0, 1, ["Tea"])


@pytest.mark.parametrize("wrong", [["recall", " "], ["recall", "x", "--limit", "0"], ["recall", "x", "--limit", "y"]])
def test_a_query_that_asks_for_nothing_exits_64(cli: Cli, wrong: list[str]) -> None:
    cli("init")
    assert cli(*wrong).code == 64


def test_terminal_codes_in_a_memory_are_not_obeyed(cli: Cli) -> None:
    cli("store", "-T", "Tea", "-c", "green \x1b[31mred", "--no-embed")
    assert "\x1b" not in cli("recall", "green").out


def test_doctor_finds_nothing_in_a_healthy_file(cli: Cli, endpoint: FakeEndpoint) -> None:
    cli("store", "-T", "Tea", "-c", "green")
    ran = cli("doctor", "--json")
    assert (ran.code, ran.json["findings"], ran.json["endpoint"]) == (0, [], "ok")
    assert (ran.json["fresh"], ran.json["stale"], endpoint.seen.texts["Tea green"]) == (1, 0, 1)


def test_doctor_names_every_kind_of_odd_row(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    shape = shapes.build(db, 101)
    ran = cli("doctor", "--json")
    assert ran.code == 1
    counted = {name: ran.json[name] for name in ("encrypted", "without_id", "undecodable", "empty", "oversize")}
    kinds = (shapes.ENCRYPTED, shapes.NULL_ID, shapes.UNDECODABLE, shapes.EMPTY, shapes.OVERSIZE)
    assert list(counted.values()) == [len(shape.of_kind(kind)) for kind in kinds]
    assert {each["id"] for each in ran.json["malformed_rows"]} == {row.id for row in shape.of_kind(shapes.MALFORMED)}
    assert endpoint.seen.requests == 2


@pytest.mark.usefixtures("endpoint")
def test_doctor_does_not_advise_a_backfill_that_would_do_nothing(cli: Cli, db: Path) -> None:
    shapes.build(db, 80, kinds={shapes.PLAIN, shapes.SUBSTRATE})
    cli("reembed")
    assert files.execute(db, "SELECT count(*) FROM memories WHERE embedding IS NULL")[0][0]

    ran = cli("doctor", "--json")

    assert (ran.code, ran.json["missing"], ran.json["findings"]) == (0, 0, [])


def test_doctor_reports_a_dead_endpoint_with_three_requests(cli: Cli, endpoint: FakeEndpoint) -> None:
    cli("init")
    endpoint.fail("server-error", times=FOREVER)
    ran = cli("doctor", "--json")
    assert (ran.code, len(ran.json["findings"]), endpoint.seen.requests) == (1, 1, 3)


def test_doctor_sees_an_edit_that_kept_its_old_vector(cli: Cli, db: Path, endpoint: FakeEndpoint) -> None:
    cli("store", "-T", "Tea", "-c", "green")
    assert endpoint.seen.requests
    with sqlite3.connect(db) as foreign:
        foreign.execute("UPDATE memories SET content = 'black'")
    assert cli("doctor", "--json").json["stale"] == 1


def test_doctor_sees_a_broken_word_index(cli: Cli, db: Path) -> None:
    cli("store", "-T", "Tea", "-c", "green", "--no-embed")
    with sqlite3.connect(db) as foreign:
        foreign.execute("INSERT INTO memories_fts(memories_fts) VALUES ('delete-all')")
    assert cli("doctor", "--json").json["not_indexed"] == 1


def test_doctor_sees_other_weights_under_the_same_name(cli: Cli, endpoint: FakeEndpoint) -> None:
    cli("store", "-T", "Tea", "-c", "green", "--no-embed")
    assert cli("reembed").code == 0
    endpoint.change(weights="others")
    ran = cli("doctor", "--json")
    assert (ran.code, "other weights" in ran.json["findings"][0]) == (1, True)


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("odd", ["'[0.1, 0.2]'", "''", "0", "1.5"])
def test_the_remedy_that_doctor_names_removes_the_finding(cli: Cli, db: Path, odd: str) -> None:
    files.create(db, rows=3)
    assert cli("reembed").code == 0
    files.execute(db, f"UPDATE memories SET embedding = {odd} WHERE id = 'id-000'")
    found = cli("doctor", "--json").json
    assert (found["missing"], found["not_vectors"]) == (0, 1)
    assert "1 live memory has a text or number as a vector: ai-memory reembed" in found["findings"]

    assert cli("reembed").code == 0

    assert cli("doctor", "--json").json["findings"] == []
