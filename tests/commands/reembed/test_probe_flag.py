"""`--dry-run --probe` asks the target as a run would, and ends as a run would; without it nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

PROBE = ["reembed", "--dry-run", "--probe", "--retry-for", "0"]


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db"), remote(endpoint))
    yield command
    command.end()


def rows_of_ours(command: Command) -> list[tuple[object, ...]]:
    return files.execute(command.db, "SELECT count(*) FROM reembed_run, embedding_fingerprint")


def test_a_dry_run_says_that_the_target_was_not_tried(command: Command, endpoint: FakeEndpoint) -> None:
    planned = command.run("reembed", "--dry-run")

    assert "The target was not tried (--probe tries it)." in planned.out
    assert "no vector will be replaced" in planned.err
    assert (planned.code, endpoint.seen.requests, "REPLACED" in planned.err) == (0, 0, False)


def test_a_probe_tells_the_width_and_a_time_and_writes_nothing(command: Command, endpoint: FakeEndpoint) -> None:
    planned = command.run(*PROBE)
    as_json = command.run(*PROBE, "--json").json

    assert planned.code == 0
    assert "its vectors are 16 wide" in planned.out
    assert "It would take about 1 s if each request takes as long" in planned.out
    assert (as_json["probed"], as_json["target_dim"], as_json["estimated_seconds"] is None) == (True, 16, False)
    assert set(endpoint.seen.texts) == set(WITNESS_TEXTS)
    assert rows_of_ours(command) == [(0,)]


@pytest.mark.parametrize(
    ("kind", "code"), [("unauthorized", 77), ("server-error", 75), ("no-model", 3), ("unpaid", 69), ("short", 69)]
)
def test_a_probe_that_fails_ends_as_a_run_ends(command: Command, endpoint: FakeEndpoint, kind: str, code: int) -> None:
    endpoint.fail(kind, times=FOREVER)

    planned = command.run(*PROBE)
    ran = command.run("reembed", "--retry-for", "0")

    assert (planned.code, ran.code) == (code, code)
    assert planned.out == ""
    assert ran.error.startswith(planned.error.split(": ")[0])


@pytest.mark.parametrize("changed", [{"weights": "other"}, {"dim": 8}])
def test_a_probe_finds_out_another_model_under_the_name(
    command: Command, endpoint: FakeEndpoint, changed: dict[str, object]
) -> None:
    command.run("reembed")
    files.edit(command.db, "id-001", "changed")
    endpoint.change(**changed)

    planned = command.run(*PROBE)

    assert (planned.code, planned.code) == (78, command.run("reembed", "--retry-for", "0").code)


def test_a_probe_without_a_dry_run_is_a_mistake(command: Command, endpoint: FakeEndpoint) -> None:
    assert command.run("reembed", "--probe").code == 64
    assert command.run("reembed", "--dry-run", "--probe", "--stamp-only").code == 64
    assert endpoint.seen.requests == 0
