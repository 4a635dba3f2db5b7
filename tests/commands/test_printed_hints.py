"""Commands that are named to the user give the rows their vectors when they are typed as they were printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.commands.conftest import Cli
from tests.support import files
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

ROWS = 12
STATES = (
    "no run",
    "paused without a run",
    "unfinished",
    "unfinished and paused",
    "unfinished in a namespace",
    "another model",
    "another model and paused",
)
COMMAND = re.compile(r"\bai-memory ((?:reembed|backfill)[^;)\n]*)")
WITHOUT = "SELECT count(*) FROM memories WHERE embedding IS NULL"


@pytest.fixture
def standing(
    request: pytest.FixtureRequest, cli: Cli, db: Path, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Bring the file into a state and return its name; all rows have vectors, of the configured model or another."""
    state: str = request.param
    if state not in ("no run", "paused without a run"):
        monkeypatch.setenv("AI_MEMORY_EMBED_MODEL", "old")
        endpoint.change(model="old")
    files.create(db, ROWS)
    assert cli("reembed").code == 0
    monkeypatch.setenv("AI_MEMORY_EMBED_MODEL", "fake")
    endpoint.change(model="fake")
    if state.startswith("unfinished"):
        some = ("--namespace", "b") if "namespace" in state else ()
        assert cli("reembed", "--max-rows", "2", "--batch", "2", *some).code == 75
    if "paused" in state:
        assert cli("reembed", "pause", "--reason", "a test").code == 0
    return state


def follow(cli: Cli, printed: str) -> None:
    """Type each command of a line as it is printed there; each must do what it is for."""
    commands = COMMAND.findall(printed)
    assert commands, printed
    for command in commands:
        ran = cli(*shlex.split(command.rstrip(".")))
        assert ran.code == 0, (printed, command, ran)


def line_with(text: str, words: str) -> str:
    (line,) = (each for each in text.splitlines() if words in each)
    return line


def without(db: Path) -> int:
    return int(files.execute(db, WITHOUT)[0][0])


@pytest.mark.parametrize("standing", STATES, indirect=True)
@pytest.mark.parametrize("verb", ["store", "import"])
def test_what_is_named_for_a_text_without_a_vector_gives_it_one(
    cli: Cli, db: Path, tmp_path: Path, endpoint: FakeEndpoint, standing: str, verb: str
) -> None:
    (tmp_path / "one.jsonl").write_text('{"title": "new", "content": "text"}')
    words = {"store": ("-T", "new", "-c", "text"), "import": (tmp_path / "one.jsonl",)}
    endpoint.fail("unauthorized", times=FOREVER)
    told = line_with(cli(verb, *words[verb]).err, "stored without")
    assert without(db) == 1
    endpoint.heal()

    follow(cli, told)

    assert without(db) == 0, standing


@pytest.mark.parametrize("standing", STATES, indirect=True)
def test_what_doctor_names_for_each_finding_leaves_none(cli: Cli, db: Path, standing: str) -> None:
    assert cli("store", "-T", "new", "-c", "text", "--no-embed").code == 0
    findings = cli("doctor", "--json").json["findings"]

    for finding in findings:
        follow(cli, finding)

    assert findings, standing
    assert (without(db), cli("doctor").code) == (0, 0)


@pytest.mark.parametrize(
    "standing", ["unfinished", "paused", "another model", "another model and paused"], indirect=True
)
def test_what_backfill_names_where_the_file_is_of_another_model_goes_there(cli: Cli, db: Path, standing: str) -> None:
    assert cli("store", "-T", "new", "-c", "text", "--no-embed").code == 0

    refused = cli("backfill")

    assert refused.code == 12
    follow(cli, line_with(refused.err, "is served in"))
    assert without(db) == 0, standing


@pytest.mark.parametrize("verb", ["import", "backfill"])
def test_beside_no_run_nothing_names_one_to_resume(
    cli: Cli, db: Path, tmp_path: Path, endpoint: FakeEndpoint, verb: str
) -> None:
    (tmp_path / "many.jsonl").write_text("".join(f'{{"title": "t{n}", "content": "c"}}\n' for n in range(60)))
    words = {"import": (tmp_path / "many.jsonl",), "backfill": ()}
    assert cli("import", tmp_path / "many.jsonl", "--no-embed").code == 0
    endpoint.change(lies="restless")

    told = line_with(cli(verb, *words[verb]).err, "Look at that server")
    endpoint.change(lies="")

    assert "--resume" not in told
    follow(cli, told)
    assert without(db) == 0


@pytest.mark.parametrize("standing", STATES[2:5], indirect=True)
def test_what_a_stamp_names_for_vectors_of_another_model_goes_on_with_the_run(cli: Cli, standing: str) -> None:
    refused = cli("reembed", "--stamp-only", "--sample", "5")

    assert refused.code == 4, standing
    follow(cli, line_with(refused.err, "nothing was stamped").split("; or ")[0])


@pytest.mark.parametrize("state", ["no run", "unfinished", "paused"])
def test_what_quarantine_names_tries_its_rows_again(cli: Cli, db: Path, endpoint: FakeEndpoint, state: str) -> None:
    files.create(db, ROWS)
    files.add(db, "bad", content="poison")
    endpoint.change(poison="poison")
    some = () if state == "no run" else ("--max-rows", "4", "--batch", "4")
    assert cli("reembed", *some).code == (75 if some else 10)
    if state == "paused":
        assert cli("reembed", "pause").code == 0
    endpoint.change(poison="")

    told = line_with(cli("reembed", "quarantine").out, "Try them again")

    follow(cli, told)
    assert without(db) == 0
