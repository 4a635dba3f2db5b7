"""What an operator meets at night: storms of signals, cron beside status, stopped, stuck and lost runners."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support import files
from tests.support.command import Answer, Command, answer, kill, plain, remote, sent_again, wait_for
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.small_disk import remount, small_disk

ROWS = 40
BATCH = 2
CRON = ("reembed", "--resume", "--or-start", "--json", "--batch", str(BATCH), "--concurrency", "1")
AN_HOUR_MS = 3_600_000
SIGNALS = (signal.SIGTERM, signal.SIGINT)
RUN = "SELECT state, reembedded, in_flight_limit FROM reembed_run ORDER BY run_id DESC LIMIT 1"
CHILD = """
import runpy, subprocess, sys, threading, time
from pathlib import Path
lock, note = Path(sys.argv[1]), Path(sys.argv[2])
def bear():
    while not (lock.exists() and lock.stat().st_size):
        time.sleep(0.001)
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    note.write_text(str(child.pid))
threading.Thread(target=bear, daemon=True).start()
sys.argv[:] = ["ai-memory", *sys.argv[3:]]
runpy.run_module("ai_memory", run_name="__main__")
"""
"""Runs the command, and bears a child that inherits all it can once the lock is held."""


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(dim=16, latency=0.04) as server:
        yield server


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    assert command.run("reembed", "approve").code == 0
    yield command
    command.end()


def run_row(command: Command) -> tuple[str, int, int]:
    state, reembedded, limit = files.execute(command.db, RUN)[0]
    return state, reembedded, limit


def begun(command: Command) -> subprocess.Popen[str]:
    """Start a run and return when some of its rows are committed."""
    process = command.start(*CRON)
    wait_for(lambda: files.embedded(command.db) >= 2 * BATCH)
    return process


def stopped(command: Command) -> subprocess.Popen[str]:
    """Start a run and return when it was stopped with SIGSTOP in the middle."""
    process = begun(command)
    process.send_signal(signal.SIGSTOP)
    return process


def woken(process: subprocess.Popen[str]) -> Answer:
    process.send_signal(signal.SIGCONT)
    return answer(process)


def all_right(command: Command, endpoint: FakeEndpoint) -> bool:
    expected = {row: b"\x01" + endpoint.vector(text).tobytes() for row, text in files.texts(command.db).items()}
    return files.vectors(command.db) == expected and files.integrity(command.db) == "ok"


def test_a_storm_of_signals_loses_nothing_and_sends_nothing_twice(command: Command, endpoint: FakeEndpoint) -> None:
    codes = []
    for step in range(6):
        process = command.start(*CRON)
        wait_for(lambda: run_row_is_held(command, process.pid))  # noqa: B023 - it is called at once
        time.sleep(0.03 * step)
        codes.append(kill(process, SIGNALS[step % 2]).code)
    last = command.run(*CRON)

    assert codes == [128 + SIGNALS[step % 2] for step in range(6)]
    assert (last.code, last.json["texts_sent_twice"]) == (0, 0)
    assert sent_again(command, endpoint, BATCH) == 0
    assert all_right(command, endpoint)


def run_row_is_held(command: Command, pid: int) -> bool:
    tables = files.execute(command.db, "SELECT count(*) FROM sqlite_master WHERE name = 'reembed_run'")[0][0]
    held = files.execute(command.db, "SELECT holder_json FROM reembed_run WHERE state = 'running'") if tables else []
    return bool(held) and f'"pid": {pid},' in str(held[0][0])


def test_a_signal_at_any_instant_of_the_start_leaves_no_traceback(command: Command) -> None:
    ends = []
    for step in range(6):
        process = command.start(*CRON)
        time.sleep(0.07 * step)
        ends.append(kill(process, signal.SIGTERM))

    assert [each.err for each in ends if "Traceback" in each.err] == []
    assert {each.code for each in ends} <= {128 + signal.SIGTERM, -signal.SIGTERM}
    assert command.run(*CRON).code == 0


def test_two_starts_at_once_name_the_one_that_runs(command: Command, endpoint: FakeEndpoint) -> None:
    starts = [command.start(*CRON) for _ in range(2)]
    ends = {process.pid: answer(process) for process in starts}

    (runner,) = [pid for pid, ended in ends.items() if ended.code == 0]
    (refused,) = [ended for ended in ends.values() if ended.code != 0]
    assert refused.code == 11
    assert f"Process {runner} on " in refused.error
    assert all_right(command, endpoint)


def test_status_in_a_loop_never_turns_a_start_away(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.0)
    enough = threading.Event()
    looks: list[int] = []

    def look() -> None:
        while not enough.is_set():
            looks.append(command.run("reembed", "status", "--json").code)

    watcher = threading.Thread(target=look)
    watcher.start()
    codes = [command.run(*CRON, "--max-rows", "8").code for _ in range(5)]
    enough.set()
    watcher.join()

    assert codes == [75] * 4 + [0]
    assert set(looks) <= {0, 12}
    assert len(looks) > 2


def test_a_runner_that_was_stopped_and_wakes_goes_on(command: Command, endpoint: FakeEndpoint) -> None:
    process = stopped(command)
    assert command.run(*CRON).code == 11

    assert woken(process).code == 0
    assert all_right(command, endpoint)


def test_a_runner_whose_run_was_cancelled_while_it_slept_commits_nothing(command: Command) -> None:
    process = stopped(command)
    assert command.run("reembed", "cancel").code == 0
    before = files.vectors(command.db)

    ended = woken(process)

    assert ended.code == 12
    assert "nothing more is written" in ended.error
    assert files.vectors(command.db) == before
    assert run_row(command)[0] == "cancelled"


@pytest.mark.parametrize(
    ("change", "code"),
    [("state = 'superseded', finished_at = 1", 12), ("state = 'paused'", 12), ("fence = fence + 1", 75)],
)
def test_a_runner_that_lost_its_run_while_it_slept_commits_nothing(
    command: Command, endpoint: FakeEndpoint, change: str, code: int
) -> None:
    process = stopped(command)
    files.execute(command.db, f"UPDATE reembed_run SET {change}")
    before = files.vectors(command.db)

    ended = woken(process)

    assert (ended.code, files.vectors(command.db)) == (code, before)
    files.execute(command.db, "UPDATE reembed_run SET state = 'superseded' WHERE state = 'paused'")
    assert command.run(*CRON).code == 0
    assert all_right(command, endpoint)


def test_a_holder_without_progress_for_long_is_reported_as_stuck(command: Command) -> None:
    process = stopped(command)
    files.execute(command.db, "UPDATE reembed_run SET last_progress_at = last_progress_at - ?", AN_HOUR_MS)

    refused = command.run(*CRON)

    assert refused.code == 1
    assert f"Process {process.pid} on " in refused.error
    assert "no progress for 60 minutes" in refused.error
    assert woken(process).code == 0


def test_take_over_is_immediate_though_a_child_of_the_killed_runner_lives(
    command: Command, endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    lock, note = tmp_path / "m.db.reembed.lock", tmp_path / "child"
    line = [sys.executable, "-c", CHILD, str(lock), str(note), "--db", str(command.db), *CRON]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **command.env}
    process = subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    wait_for(lambda: note.exists() and note.read_text() and files.embedded(command.db) >= BATCH)
    process.kill()
    process.wait()
    child = int(note.read_text())
    try:
        os.kill(child, 0)
        resumed = command.run(*CRON)
    finally:
        os.kill(child, signal.SIGKILL)

    assert (resumed.code, resumed.json["resumed"]) == (0, True)
    assert all_right(command, endpoint)


def test_a_database_that_vanishes_ends_the_run_and_comes_back_whole(command: Command, endpoint: FakeEndpoint) -> None:
    process = begun(command)
    aside = command.db.parent / "aside"
    aside.mkdir()
    moved = [each.rename(aside / each.name) for each in command.db.parent.glob("m.db*") if each.suffix != ".lock"]

    ended = answer(process)

    assert ended.code == 74
    assert "removed or replaced" in ended.error
    assert not command.db.exists()
    for each in moved:
        each.rename(command.db.parent / each.name)
    assert command.run(*CRON).code == 0
    assert all_right(command, endpoint)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; skips where this user may not mount one."""
    with small_disk(tmp_path / "disk", "size=1m") as folder:
        yield folder


def test_a_full_disk_ends_the_run_and_room_lets_it_go_on(small: Path, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=0.0, dim=1024)
    command = Command(files.create(small / "m.db", 200), remote(endpoint))
    assert command.run("reembed", "approve").code == 0

    ended = command.run(*CRON, "--batch", "25")

    assert ended.code == 74, ended
    assert "full" in ended.error
    assert files.execute(command.db, "PRAGMA integrity_check")[0][0] == "ok"
    remount(small, "size=20m")
    assert command.run(*CRON, "--batch", "25").code == 0
    assert all_right(command, endpoint)


def test_the_status_of_a_killed_run_says_what_to_type(command: Command) -> None:
    kill(begun(command))

    status = json.loads(command.run("reembed", "status", "--json").out)

    assert (status["interrupted"], status["held_by"]) == (True, None)
    assert plain(status["next"]) == "ai-memory reembed --resume"
    assert status["done"] + status["remaining"] == ROWS
