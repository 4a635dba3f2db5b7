"""`--on-end`: a command of the user's hears how a start ended, by real processes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ai_memory.commands.reembed.on_end import tell_end
from ai_memory.show.console import Console
from tests.support import files
from tests.support.command import Answer, Command, plain, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 12


@dataclass(frozen=True, slots=True)
class Heard:
    """A file with memories, and what a command was told of each start, one line a start."""

    command: Command
    path: Path

    def start(self, *flags: str) -> Answer:
        return self.command.run("reembed", *flags, "--on-end", f"cat >>{shlex.quote(str(self.path))}")

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text("utf-8").splitlines()]


@pytest.fixture
def heard(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Heard]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    yield Heard(command, tmp_path / "heard it's.jsonl")
    command.end()


def test_the_command_hears_the_whole_result_also_of_a_quiet_start(heard: Heard) -> None:
    assert heard.start("-q", "--max-rows", "5", "--batch", "5").code == 75
    shown = heard.start("-q", "--resume", "--json")

    unfinished, done = heard.told
    assert (unfinished["exit_code"], unfinished["reason"], unfinished["remaining"]) == (75, "max-rows", ROWS - 5)
    assert done == shown.json
    assert (done["exit_code"], done["state"], done["total"]) == (0, "done", ROWS)


def test_the_command_hears_why_a_start_was_refused(heard: Heard, endpoint: FakeEndpoint) -> None:
    heard.start("--max-rows", "5", "--batch", "5")
    endpoint.change(model="new")

    told = Heard(Command(heard.command.db, remote(endpoint)), heard.path).start("--resume", "-q")

    assert heard.told[-1]["exit_code"] == told.code == 78
    assert plain(heard.told[-1]["error"]) in plain(told.err)


def test_the_command_hears_of_a_wrong_command_line_and_of_a_rollback_that_is_gone_on_with(heard: Heard) -> None:
    heard.start()
    assert heard.start("--probe").code == 64
    assert heard.command.run("reembed", "rollback", "--max-rows", "5").code == 75

    assert heard.start("--resume", "-q").code == 0

    assert [each["exit_code"] for each in heard.told] == [0, 64, 0]
    assert (heard.told[-1]["put_back"], heard.told[-1]["undoes"]) == (ROWS - 5, [1, 1])


def test_the_command_hears_of_a_start_whose_result_nobody_reads(heard: Heard) -> None:
    command = heard.command
    unread = Command(command.db, command.env, prefix=("bash", "-c", 'set -o pipefail; "$@" | true', "bash"))

    assert Heard(unread, heard.path).start("--json").code == 141

    assert [(each["exit_code"], each["state"], each["total"]) for each in heard.told] == [(141, "done", ROWS)]


def test_a_command_that_fails_is_told_and_changes_nothing(heard: Heard) -> None:
    ended = heard.command.run("reembed", "--json", "--on-end", "echo here; exit 3")

    assert (ended.code, ended.json["state"]) == (0, "done")
    assert "here" in ended.err
    assert "warning: --on-end: the command ended with 3; the start ended as told." in ended.err


def test_a_command_that_cannot_be_begun_is_told_and_changes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    tell_end(f": {'x' * 1_000_000}", Console(), {"exit_code": 0})

    assert "warning: --on-end: the command cannot be run: Argument list too long;" in capfd.readouterr().err


def test_a_command_that_does_not_end_is_ended_with_what_it_started(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pid = tmp_path / "pid"

    tell_end(f"sleep 300 & echo $! >{pid}; cat >/dev/null; wait", Console(), {"exit_code": 0}, patience=2)

    assert "--on-end: the command was ended after 2 s" in capfd.readouterr().err
    wait_for(lambda: not is_running(pid.read_text("utf-8").strip()))


def is_running(pid: str) -> bool:
    """Say whether a process is there that nobody has ended: one that only waits to be buried has no command line."""
    found = Path("/proc", pid, "cmdline")
    return found.exists() and bool(found.read_bytes())
