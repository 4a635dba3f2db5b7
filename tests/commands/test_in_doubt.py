"""Vectors that no end of a start has shown to be right: each command says so, or asks for some of them again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.commands.reembed.plan_lines import ASKED_FIRST
from ai_memory.reembed.doubt import MOST, most_asked
from tests.support import files
from tests.support.command import Command, plain, remote
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

ROWS = 100
IN_DOUBT = "100 rows were written in a start that was cut off or stopped early"
ASKED = f"{IN_DOUBT}: {MOST} would be asked for again ({most_asked(ROWS)} texts at most), and all of them embedded anew"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    """A command on a file of which no row is stale, and all were written in a stretch that never ended."""
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    assert command.run("reembed").code == 0
    doubt(command)
    yield command
    command.end()


def doubt(command: Command) -> None:
    """Make the file as it is where the last runner was killed after its last page, and its run was given up."""
    files.execute(command.db, "UPDATE embedding_fingerprint SET stretch = 7")
    files.execute(command.db, "UPDATE embedding_provenance SET stretch = 7")


def in_doubt(command: Command) -> int:
    counts = (
        "SELECT count(*) FROM embedding_provenance WHERE stretch = (SELECT max(stretch) FROM embedding_fingerprint)"
    )
    return int(files.execute(command.db, counts)[0][0])


@pytest.mark.parametrize("words", [("reembed",), ("reembed", "--resume", "--or-start"), ("backfill",)])
def test_a_start_with_nothing_else_to_do_asks_for_some_of_them(
    command: Command, endpoint: FakeEndpoint, words: tuple[str, ...]
) -> None:
    before = endpoint.seen.texts.total()
    ended = command.run(*words)

    assert (ended.code, "what was written before were asked for again, and agree." in ended.out) == (0, True)
    assert MOST <= endpoint.seen.texts.total() - before <= most_asked(ROWS) + 10
    assert in_doubt(command) == 0
    asked = endpoint.seen.requests
    assert (command.run(*words).code, endpoint.seen.requests) == (0, asked)


@pytest.mark.parametrize("words", [("reembed",), ("reembed", "--resume", "--or-start"), ("backfill",)])
def test_a_start_that_cannot_ask_does_not_end_as_if_all_were_well(
    command: Command, endpoint: FakeEndpoint, words: tuple[str, ...]
) -> None:
    endpoint.fail("unauthorized", times=FOREVER)

    assert command.run(*words).code == 77
    assert in_doubt(command) == ROWS


def test_a_resume_without_a_run_names_the_start_that_asks_for_them(command: Command) -> None:
    refused = command.run("reembed", "--resume")

    assert refused.code == 12
    assert "nothing shows yet that their vectors are right. Start one: ai-memory reembed" in refused.error


def test_a_start_that_only_asks_has_no_vector_to_ask_a_person_for(command: Command) -> None:
    ended = command.on_terminal("reembed", typed="")

    assert (ended.code, "Replace these vectors?" in ended.out) == (0, False)
    assert f"{IN_DOUBT}: {ASKED_FIRST}" in " ".join(ended.out.split())
    assert "no vector will be replaced" not in ended.out


@pytest.mark.parametrize("flags", [(), ("--resume", "--or-start")])
def test_a_plan_says_how_many_are_asked_for_again_and_what_that_takes(command: Command, flags: tuple[str, ...]) -> None:
    planned = command.run("reembed", "--dry-run", *flags)
    told = command.run("reembed", "--dry-run", "--json", *flags).json

    assert ASKED in planned.out
    assert f"0 of {ROWS} rows will be embedded." in planned.err
    assert ("no vector will be replaced" in planned.err, IN_DOUBT in planned.err) == (False, False)
    assert (told["rows_to_embed"], told["rows_in_doubt"], told["texts_asked_again"]) == (0, ROWS, most_asked(ROWS))
    assert told["estimated_tokens"] > most_asked(ROWS)
    assert told["refused_with"] is None
    assert "It would take about" in planned.out
    command.run("reembed")
    told = command.run("reembed", "--dry-run", "--json", *flags).json
    assert (told["rows_in_doubt"], told["texts_asked_again"], told["estimated_tokens"]) == (0, 0, 0)


def test_a_plan_judges_by_many_of_them_what_it_takes_to_ask(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    files.edit(command.db, "id-000", "x" * 40_000)
    assert command.run("reembed").code == 0
    doubt(command)

    told = command.run("reembed", "--dry-run", "--json").json

    # If all texts were like that one, they would take 10,000 tokens each.
    assert most_asked(ROWS) < told["estimated_tokens"] < most_asked(ROWS) * 1_000


def test_the_plan_of_a_resume_counts_them_beside_what_is_to_be_embedded(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    fresh = command.run("reembed", "--dry-run", "--json").json["estimated_tokens"]
    assert command.run("reembed", "--batch", "10", "--max-rows", "50").code == 75
    doubt(command)

    told = command.run("reembed", "--resume", "--dry-run", "--json").json

    assert (told["rows_to_embed"], told["rows_in_doubt"], told["texts_asked_again"]) == (50, 50, most_asked(50))
    assert fresh < told["estimated_tokens"] < 2 * fresh


def test_verify_finds_them_and_names_the_start_that_asks_for_them(command: Command) -> None:
    looked, told = command.run("reembed", "verify"), command.run("reembed", "verify", "--json")

    assert (looked.code, told.code, told.json["ok"], told.json["in_doubt"]) == (1, 1, False, ROWS)
    assert f"{IN_DOUBT}: nothing shows yet that their vectors are right. " in looked.out
    assert "To ask for some of them again: ai-memory reembed\n" in plain(looked.out)
    assert command.run("reembed").code == 0
    assert command.run("reembed", "verify").code == 0


@pytest.mark.parametrize(("sample", "code"), [("all", 0), ("20", 1)])
def test_verify_counts_those_that_it_compared_as_asked_for(command: Command, sample: str, code: int) -> None:
    found = command.run("reembed", "verify", "--sample", sample, "--json")

    assert (found.code, found.json["in_doubt"]) == (code, 0 if not code else ROWS - 20)


def test_an_import_that_changes_nothing_asks_for_some_of_them(
    command: Command, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    lines = tmp_path / "m.jsonl"
    lines.write_text(json.dumps({"title": "a title", "content": "a content"}) + "\n", "utf-8")
    assert command.run("import", lines).code == 0
    asked = endpoint.seen.requests
    assert (command.run("import", lines).code, endpoint.seen.requests) == (0, asked)
    doubt(command)

    assert command.run("import", lines).code == 0

    assert (endpoint.seen.requests > asked, in_doubt(command)) == (True, 0)


def test_an_import_that_cannot_ask_warns_and_names_what_does(
    command: Command, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    lines = tmp_path / "m.jsonl"
    lines.write_text(json.dumps({"title": "a title", "content": "a content"}) + "\n", "utf-8")
    assert command.run("import", lines).code == 0
    doubt(command)
    endpoint.fail("unauthorized", times=FOREVER)

    ended = command.run("import", lines)

    assert "warning: of the rows written last nothing shows yet that their vectors are right: " in ended.err
    assert "ater: ai-memory backfill" in plain(ended.err)
