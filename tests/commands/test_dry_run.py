"""`--dry-run` plans the very start that was asked for, and says what stands in its way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, plain, remote
from tests.support.fake_endpoint import FakeEndpoint

SMALL = ("--batch", "2", "--max-rows", "2")
IN_THE_WAY = "Now such a start would do nothing and end with"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db"), remote(endpoint))
    yield command
    command.end()


def planned(command: Command, *flags: str) -> tuple[str, object]:
    """Return what a plan says to a person, and with which code the start would be refused; it need not be true."""
    shown, told = command.run("reembed", "--dry-run", *flags), command.run("reembed", "--dry-run", "--json", *flags)
    assert (shown.code, told.code) == (0, 0)
    return plain(shown.out), told.json["refused_with"]


def test_a_plan_with_nothing_in_its_way_says_nothing_of_it(command: Command) -> None:
    shown, code = planned(command)

    assert (IN_THE_WAY in shown, code) == (False, None)


def test_a_plan_on_a_paused_file_names_the_pause(command: Command) -> None:
    command.run("reembed", "pause", "--reason", "the disk is moved")

    shown, code = planned(command)

    assert f"{IN_THE_WAY} 12: " in shown
    assert "the disk is moved. Lift the pause: ai-memory reembed unpause" in shown
    assert command.run("reembed").code == code == 12


def test_a_plan_of_an_unattended_start_says_that_nobody_approved_it(command: Command) -> None:
    shown, code = planned(command, "--resume", "--or-start")

    assert "ai-memory reembed approve" in shown
    assert command.run("reembed", "--resume", "--or-start").code == code == 12


@pytest.mark.parametrize(("flags", "code"), [((), 12), (("--resume",), 78), (("--retarget",), None)])
def test_a_plan_beside_an_unfinished_run_to_another_target_says_how_it_would_end(
    command: Command, endpoint: FakeEndpoint, flags: tuple[str, ...], code: int | None
) -> None:
    assert command.run("reembed", *SMALL).code == 75
    endpoint.change(model="another")
    other = Command(command.db, {**command.env, "AI_MEMORY_EMBED_MODEL": "another"})

    _, told = planned(other, *flags)

    assert told == code
    assert other.run("reembed", *flags).code == (code or 0)


def test_a_plan_that_goes_on_is_of_the_namespaces_of_the_run(command: Command) -> None:
    assert command.run("reembed", "--namespace", "a", *SMALL).code == 75

    found = command.run("reembed", "--dry-run", "--resume", "--json").json

    assert (found["total_rows"], found["rows_to_embed"], found["refused_with"]) == (5, 3, None)


def test_a_plan_with_nothing_to_embed_tells_no_time(command: Command) -> None:
    assert command.run("reembed").code == 0

    shown, _ = planned(command)

    assert "It would take" not in shown


def test_a_plan_of_one_row_speaks_of_its_vector(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    command = Command(files.create(tmp_path / "one.db"), remote(endpoint))
    files.execute(command.db, "DELETE FROM memories WHERE id NOT IN (SELECT min(id) FROM memories)")
    assert command.run("reembed").code == 0
    command = Command(command.db, {**command.env, "AI_MEMORY_EMBED_MODEL": "another"})

    assert "1 of 1 row will be embedded; its vector will be REPLACED." in command.run("reembed", "--dry-run").err
