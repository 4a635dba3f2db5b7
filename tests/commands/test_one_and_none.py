"""Sentences over one row and over none, and small things that are refused or told once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ai_memory.reembed.inspect import bound
from tests.commands.conftest import Cli
from tests.support import files
from tests.support.fake_endpoint import FOREVER, FakeEndpoint


@pytest.mark.usefixtures("endpoint")
def test_one_row_is_told_as_one(cli: Cli, db: Path) -> None:
    files.create(db, 1)

    ran = cli("reembed")
    verified = cli("reembed", "verify")

    assert "1 of 1 row done" in ran.err
    assert "1 rows" not in ran.out + ran.err
    assert verified.out.startswith("The one live row is stamped")
    files.edit(db, "id-000", "edited")
    assert "0 of 1 live row is stamped" in cli("reembed", "verify").out


@pytest.mark.usefixtures("endpoint")
def test_where_there_is_no_row_none_is_said_to_be_stamped(cli: Cli, db: Path) -> None:
    files.create(db, 0)

    assert cli("reembed", "verify").out.startswith("There are no live rows.")


def test_one_row_that_was_asked_again_is_one() -> None:
    assert bound.bound_in_words(1, 1, over=True) == "The one row was asked again and agrees."
    assert "1 was asked again one by one and agrees" in bound.bound_in_words(1, 5, over=True)


@pytest.mark.usefixtures("quiet_embedder")
@pytest.mark.parametrize("namespace", [" ", "\u200b", "\t "])
def test_a_blank_namespace_is_refused_like_a_blank_title(cli: Cli, db: Path, tmp_path: Path, namespace: str) -> None:
    files.create(db, 1)
    lines = tmp_path / "in.jsonl"
    good = {"title": "t", "content": "c"}
    lines.write_text(f"{json.dumps(good)}\n{json.dumps({**good, 'title': 'u', 'namespace': namespace})}\n")

    assert "namespace is blank" in cli("store", "-T", "title", "-c", "content", "-n", namespace).err
    imported = cli("import", lines)
    assert (imported.code, "line 2" in imported.err) == (65, True)
    assert files.execute(db, "SELECT count(*) FROM memories") == [(1,)]


@pytest.mark.usefixtures("quiet_embedder")
@pytest.mark.parametrize("column", ["priority", "confidence", "access_count", "version"])
@pytest.mark.parametrize("value", [True, False])
def test_true_is_no_number_in_an_import(cli: Cli, db: Path, tmp_path: Path, column: str, value: bool) -> None:
    files.create(db, 0)
    lines = tmp_path / "in.jsonl"
    lines.write_text(json.dumps({"title": "t", "content": "c", column: value}))

    ran = cli("import", lines)

    assert ran.code == 65
    assert f"{column} must be a number, not {str(value).lower()}" in ran.err


@pytest.mark.parametrize("flag", ["--db", "--config"])
def test_an_empty_path_is_said_to_be_empty(cli: Cli, flag: str) -> None:
    ran = cli(flag, "", "stats")

    assert ran.code == 64
    assert f"{flag}: it is empty" in ran.err


def test_a_reason_is_cut_and_a_time_without_seconds_is_told_in_both_clocks(
    cli: Cli, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.create(db, 1)
    monkeypatch.setenv("TZ", "UTC-2")

    ran = cli("reembed", "pause", "--until", "2999-11-26T07:30Z", "--reason", "x" * 5000)

    assert ran.code == 0
    assert "until 2999-11-26T07:30:00Z (" in ran.out
    assert len(cli("reembed").err) < 1000


@pytest.mark.parametrize("words", [("approve",), ("--dry-run", "--probe")])
def test_a_person_who_asks_a_dead_endpoint_is_answered_with_one_line(
    cli: Cli, db: Path, endpoint: FakeEndpoint, words: tuple[str, ...]
) -> None:
    files.create(db)
    endpoint.fail("unavailable", times=FOREVER)

    ran = cli("reembed", *words)

    assert ran.code == 75
    assert len(ran.err.splitlines()) == 1
    # What is tried for two minutes is asked oftener.
    assert endpoint.seen.requests <= 3


@pytest.mark.parametrize("words", [("reembed",), ("reembed", "approve"), ("store", "-T", "t", "-c", "c"), ("stats",)])
def test_a_broken_configuration_is_told_once(cli: Cli, db: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    files.create(db)
    broken = tmp_path / "config.toml"
    broken.write_text("[embeddings\n")

    ran = cli("--config", broken, *words)

    assert ran.err.count("is not valid TOML") == 1
