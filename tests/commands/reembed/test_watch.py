"""`reembed status --watch` by real processes: it is shown again while a run works, and ends with it."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ai_memory.commands.reembed.watch import CLEARED
from ai_memory.text.times import in_utc
from tests.support import files
from tests.support.command import Answer, Command, answer, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint

ROWS = 40
WATCH = ("reembed", "status", "--watch", "1")


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    yield command
    command.end()


@pytest.fixture
def at_work(command: Command, endpoint: FakeEndpoint) -> subprocess.Popen[str]:
    """A run that works, and does not end before its endpoint is made fast."""
    endpoint.change(latency=0.5)
    process = command.start("reembed", "--batch", "1", "--concurrency", "1")
    wait_for(lambda: any(files.vectors(command.db).values()))
    return process


def is_time(line: str) -> bool:
    return bool(in_utc(line))


def test_elsewhere_than_on_a_terminal_each_state_follows_the_last_with_its_time(
    command: Command, endpoint: FakeEndpoint, at_work: subprocess.Popen[str]
) -> None:
    watching = command.start(*WATCH)
    assert watching.stdout
    lines = [watching.stdout.readline()]
    while sum(map(is_time, map(str.strip, lines))) < 2:
        lines.append(watching.stdout.readline())
    endpoint.change(latency=0.0)
    assert answer(at_work).code == 0
    rest = answer(watching)

    shown = [*map(str.rstrip, lines), *rest.out.splitlines()]
    states = [after for line, after in pairwise(shown) if line.startswith(str(command.db))]
    assert (rest.code, rest.err, is_time(shown[0])) == (0, "", True)
    assert states[0].startswith(f"running: process {at_work.pid} on ")
    assert states[-1].startswith("done ")
    assert CLEARED not in "\n".join(shown)


def test_on_a_terminal_it_is_drawn_in_the_place_of_the_last_one(
    command: Command, endpoint: FakeEndpoint, at_work: subprocess.Popen[str]
) -> None:
    threading.Timer(6, lambda: endpoint.change(latency=0.0)).start()
    shown = command.on_terminal(*WATCH, typed="")
    assert answer(at_work).code == 0

    first, *drawn = shown.out.split(CLEARED)
    assert (first, shown.code, len(drawn) > 1) == ("", 0, True)
    assert ["done " in each or "running: " in each for each in drawn] == [True] * len(drawn)


def test_a_ctrl_c_ends_it_without_a_word_and_leaves_the_run(command: Command, at_work: subprocess.Popen[str]) -> None:
    watching = command.start(*WATCH)
    assert watching.stdout
    watching.stdout.readline()
    ended = kill(watching, signal.SIGINT)

    assert (ended.code, ended.err, at_work.poll()) == (130, "", None)


def test_it_ends_with_a_run_that_was_killed_and_with_check_says_so(
    command: Command, at_work: subprocess.Popen[str]
) -> None:
    watching = [command.start(*WATCH, *more) for more in ((), ("--check",))]
    for each in watching:
        assert each.stdout
        each.stdout.readline()
    kill(at_work)
    plain, checked = map(answer, watching)

    assert (plain.code, checked.code) == (0, 75)
    assert "\ninterrupted: " in plain.out
    assert checked.out.splitlines()[-1].startswith("waiting (run 1): interrupted")


def test_as_json_each_state_is_one_object_on_a_line(
    command: Command, endpoint: FakeEndpoint, at_work: subprocess.Popen[str]
) -> None:
    watching = command.start(*WATCH, "--json")
    assert watching.stdout
    first = json.loads(watching.stdout.readline())
    endpoint.change(latency=0.0)
    assert answer(at_work).code == 0
    last = json.loads(answer(watching).out.splitlines()[-1])

    assert (first["condition"], last["condition"], last["done"]) == ("running", "done", ROWS)


def test_where_nobody_works_it_is_shown_once(command: Command) -> None:
    shown: Answer = command.run(*WATCH)

    assert (shown.code, len(shown.out.splitlines())) == (0, 3)
    assert command.run(*WATCH, "--check").code == 1
