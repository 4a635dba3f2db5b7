"""`--dry-run` plans the very start that was asked for, and says what stands in its way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, kill, plain, remote, wait_while_running
from tests.support.fake_endpoint import FakeEndpoint

SMALL = ("--batch", "2", "--max-rows", "2")
TITLED = "UPDATE memories SET title = 't' || {}, content = 'the same in all of them'"
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


def test_a_plan_counts_identical_texts_once_as_the_run_sends_them(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    names = ("a", "b", "c", "d")
    command = Command(files.create(tmp_path / "twins.db", 40, namespaces=names), remote(endpoint))
    # Ten different texts, each in every namespace.
    files.execute(command.db, TITLED.format("(substr(id, 4) / 4)"))
    once = files.create(tmp_path / "once.db", 10, namespaces=("a",))
    files.execute(once, TITLED.format("(substr(id, 4) / 1)"))

    planned, alone = (Command(each, command.env).reembed("--dry-run").json for each in (command.db, once))
    ran = command.reembed().json

    assert (planned["rows_to_embed"], planned["texts_to_send"], planned["texts_exact"]) == (40, 10, True)
    assert planned["estimated_tokens"] == alone["estimated_tokens"]
    assert ran["reembedded"] - ran["identical"] == planned["texts_to_send"]


def test_a_plan_sends_no_text_of_which_the_file_has_the_vector(command: Command) -> None:
    assert command.run("reembed").code == 0
    copy = "SELECT 'title id-000', content, 'new', 'twin' FROM memories WHERE id = 'id-000'"
    files.add(command.db, "twin", "new", title="title id-000")
    files.execute(command.db, f"UPDATE memories SET (title, content, namespace, id) = ({copy}) WHERE id = 'twin'")

    shown, _ = planned(command)
    found = command.reembed("--dry-run").json

    assert (found["rows_to_embed"], found["texts_to_send"], found["estimated_tokens"]) == (1, 0, 0)
    assert "Would embed 1 of 11 rows (0 texts: identical ones are sent once), about 0 tokens" in shown


def test_a_plan_names_the_rows_that_get_no_vector(command: Command) -> None:
    files.add(command.db, "held")
    files.execute(
        command.db,
        "CREATE TRIGGER h BEFORE UPDATE ON memories WHEN old.id = 'held' BEGIN SELECT RAISE(ABORT, 'legal hold'); END",
    )
    assert command.run("reembed").code == 10
    files.add(command.db, "blank", title=" ", content="\n")

    shown, _ = planned(command)
    found = command.reembed("--dry-run").json
    again, _ = planned(command, "--retry-quarantined")

    assert (found["empty_rows"], found["unreadable_rows"], found["rows_in_quarantine"]) == (1, 0, 1)
    assert "1 row is empty and would get no vector." in shown
    assert "1 row is in quarantine and would stay there: ai-memory reembed quarantine" in shown
    assert "would stay there" not in again


def test_a_plan_beside_a_runner_names_it_and_calls_nothing_cut_off(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.5)
    runner = command.start("reembed", "--batch", "1")
    wait_while_running(runner, lambda: files.embedded(command.db) >= 2)

    ran = command.run("reembed", "--dry-run")
    found = command.reembed("--dry-run").json

    assert runner.poll() is None
    assert "cut off" not in ran.out + ran.err
    assert f"{IN_THE_WAY} 11: Process {runner.pid} on " in plain(ran.out)
    assert (found["rows_in_doubt"], found["held_by"]["pid"], found["refused_with"]) == (0, runner.pid, 11)


def test_a_plan_after_a_killed_runner_calls_its_rows_cut_off(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.5)
    runner = command.start("reembed", "--batch", "1")
    wait_while_running(runner, lambda: files.embedded(command.db) >= 2)
    kill(runner)

    shown, _ = planned(command, "--resume")

    assert "written in a start that was cut off" in shown
    assert command.reembed("--dry-run", "--resume").json["held_by"] is None


def test_a_plan_with_nothing_to_embed_goes_by_nothing(command: Command) -> None:
    assert command.run("reembed").code == 0

    found = command.reembed("--dry-run").json

    assert (found["estimated_seconds"], found["estimated_by"]) == (None, None)


def test_a_plan_with_a_limit_of_rows_says_what_this_start_does_and_that_the_limit_ends_it(command: Command) -> None:
    shown, _ = planned(command, "--max-rows", "3")
    found = command.reembed("--dry-run", "--max-rows", "3").json
    ran = command.reembed("--max-rows", "3")

    assert "--max-rows lets this start do 3 of them, about " in shown
    assert "at most: it would end with 75. Then: ai-memory reembed --resume" in shown
    assert (found["start_rows"], found["start_ends_by"], found["rows_to_embed"]) == (3, "max-rows", 10)
    assert 0 < found["start_tokens"] < found["estimated_tokens"] / 3
    assert (ran.code, ran.json["reembedded"], ran.json["reason"]) == (75, found["start_rows"], found["start_ends_by"])


@pytest.mark.parametrize("limit", [("--max-tokens", "2000"), ("--max-cost", "0.02")])
def test_a_plan_with_a_limit_of_tokens_says_what_this_start_does_at_most(
    tmp_path: Path, endpoint: FakeEndpoint, limit: tuple[str, str]
) -> None:
    config = tmp_path / "ai-memory" / "config.toml"
    config.parent.mkdir()
    config.write_text("[embeddings]\nprice_per_million_tokens = 10\n", "utf-8")
    command = Command(files.create(tmp_path / "m.db", 40), remote(endpoint, XDG_CONFIG_HOME=str(tmp_path)))
    files.execute(command.db, "UPDATE memories SET content = printf('%.400c', 'x') || id")
    endpoint.change(tokens_a_byte=0.25)

    shown, _ = planned(command, *limit)
    found = command.reembed("--dry-run", *limit).json
    ran = command.reembed("--batch", "2", *limit)

    flag = limit[0].removeprefix("--")
    done = f"do {found['start_rows']} of them, about 2,000 tokens for 0.020, at most"
    assert f"{limit[0]} lets this start {done}" in shown
    assert (found["start_tokens"], found["start_cost"], found["start_ends_by"]) == (2_000, 0.02, flag)
    assert (ran.code, ran.json["reason"]) == (75, flag)
    assert 0 < ran.json["reembedded"] <= found["start_rows"]


def test_a_plan_within_its_limits_says_that_none_ends_it(command: Command) -> None:
    shown, _ = planned(command, "--max-rows", "10")
    found = command.reembed("--dry-run", "--max-rows", "10").json

    assert "lets this start" not in shown
    assert (found["start_rows"], found["start_ends_by"], found["start_tokens"]) == (10, None, found["estimated_tokens"])
