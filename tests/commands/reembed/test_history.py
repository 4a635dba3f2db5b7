"""`reembed history` as a user reads it, by real processes against a real server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, plain, remote
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 12


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    path = files.create(tmp_path / "m.db", ROWS)
    command = Command(path, remote(endpoint))
    yield command
    command.end()


def test_a_file_without_runs_says_so(command: Command) -> None:
    told = command.run("reembed", "history")

    assert (told.code, told.out) == (0, "No run has been started here.\n")
    assert command.run("reembed", "history", "--json").json == {"runs": []}


def test_every_run_is_told_with_what_it_did_and_ended_with_the_latest_first(
    command: Command, endpoint: FakeEndpoint
) -> None:
    assert command.run("reembed", "--batch", "5", "--max-rows", "5").code == 75
    endpoint.change(model="new", weights="new")
    other = Command(command.db, remote(endpoint))
    assert other.run("reembed", "--retarget", "--staged", "--namespace", "a").code == 0
    assert other.run("reembed", "switch").code == 0
    assert other.run("reembed", "rollback").code == 0

    told = plain(other.run("reembed", "history").out)
    values = other.run("reembed", "history", "--json").json["runs"]

    back, staged, first = told.splitlines()
    assert f" s; put back what runs 1 to 2 replaced, in {ROWS // 2} rows" in back
    assert f" s, undone by run 3; {ROWS // 2} rows in a to new 16 staged" in staged
    assert " s, undone by run 3; 5 rows to fake 16" in first
    assert first.endswith("; last start ended with 75: --max-rows was used up")
    assert [(each["run_id"], each["state"], each["undone_by"]) for each in values] == [
        (3, "done", None),
        (2, "done", 3),
        (1, "superseded", 3),
    ]
    assert values[1]["texts_sent"] >= ROWS // 2
    assert [each["run_id"] for each in other.run("reembed", "history", "--limit", "2", "--json").json["runs"]] == [3, 2]


def test_what_a_run_cost_is_told_at_the_price_of_now(command: Command, tmp_path: Path) -> None:
    assert command.run("reembed").code == 0
    tokens = command.run("reembed", "history", "--json").json["runs"][0]["tokens"]
    config = tmp_path / "priced.toml"
    config.write_text("[embeddings]\nprice_per_million_tokens = 2.0\n", "utf-8")

    told = command.run("reembed", "history", "--json", "--config", str(config))

    assert tokens > 0
    assert told.json["runs"][0]["cost"] == pytest.approx(tokens * 2.0 / 1_000_000)
