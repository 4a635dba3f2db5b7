"""Signals to a real run: a clean save, an immediate end, and what a resume owes to each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.reembed.doubt import most_asked
from tests.conftest import ROOT
from tests.support import files
from tests.support.command import Answer, Command, answer, kill, plain, remote, sent_again, wait_for
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

ROWS = 24
BATCH = 2
LATENCY_S = 0.15
FIRST_PAGE = (5, 6, 7)
"""Requests: the page, and each of its rows again, after the witness texts one by one and the first text as numbers."""
SOURCES = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    with FakeEndpoint(dim=16, latency=LATENCY_S) as server:
        yield server


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    yield command
    command.end()


def begun(command: Command) -> subprocess.Popen[str]:
    """Start a run and return when some of its rows are committed."""
    process = command.start("reembed", "--batch", str(BATCH), "--concurrency", "1", "--json")
    wait_for(lambda: files.embedded(command.db) >= 2 * BATCH)
    return process


def resumed(command: Command, endpoint: FakeEndpoint) -> Answer:
    endpoint.change(latency=0.0)
    return command.reembed("--resume", "--batch", str(BATCH))


def all_right(command: Command, endpoint: FakeEndpoint) -> bool:
    expected = {each: b"\x01" + endpoint.vector(text).tobytes() for each, text in files.texts(command.db).items()}
    return files.vectors(command.db) == expected


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_what_is_in_hand_and_the_resume_sends_nothing_twice(
    command: Command, endpoint: FakeEndpoint, number: signal.Signals, code: int
) -> None:
    stopped = kill(begun(command), number)

    assert (stopped.code, stopped.json["reason"], stopped.json["state"]) == (code, number.name, "running")
    assert 0 < stopped.json["reembedded"] == files.embedded(command.db) < ROWS
    again = resumed(command, endpoint)
    assert (again.code, again.json["resumed"], again.json["texts_sent_twice"]) == (0, True, 0)
    assert again.json["reembedded"] + stopped.json["reembedded"] == ROWS
    assert sent_again(command, endpoint, BATCH) == 0
    assert all_right(command, endpoint)


@pytest.mark.parametrize("requests", FIRST_PAGE)
def test_a_signal_to_a_first_page_that_is_not_believed_yet_keeps_it(
    command: Command, endpoint: FakeEndpoint, requests: int
) -> None:
    process = command.start("reembed", "--batch", str(BATCH), "--concurrency", "1", "--json")
    wait_for(lambda: endpoint.seen.requests == requests)
    stopped = kill(process, signal.SIGTERM)

    assert (stopped.code, stopped.json["reembedded"], stopped.json["asked_again"]) == (143, BATCH, BATCH)
    assert resumed(command, endpoint).code == 0
    assert sent_again(command, endpoint, BATCH) == 0
    assert all_right(command, endpoint)


def test_a_stopped_run_is_no_error_and_leaves_no_traceback(command: Command) -> None:
    stopped = kill(begun(command), signal.SIGTERM)

    assert "error:" not in stopped.err
    assert "Traceback" not in stopped.err
    status = command.run("reembed", "status", "--json").json
    assert (status["state"], status["interrupted"], plain(status["next"])) == (
        "running",
        True,
        "ai-memory reembed --resume",
    )


def test_a_second_signal_ends_the_process_at_once(command: Command, endpoint: FakeEndpoint) -> None:
    process = begun(command)
    endpoint.fail("hang", times=FOREVER, seconds=60)
    time.sleep(3 * LATENCY_S)
    process.send_signal(signal.SIGTERM)
    time.sleep(LATENCY_S)

    began = time.monotonic()
    stopped = kill(process, signal.SIGINT)

    assert (stopped.code, stopped.out) == (130, "")
    assert "Stopped at once by SIGINT; the run is as after a kill; go on: ai-memory reembed --resume" in stopped.error
    assert time.monotonic() - began < 5
    endpoint.heal()
    assert resumed(command, endpoint).code == 0
    assert all_right(command, endpoint)


def test_a_signal_ends_the_wait_between_two_attempts(command: Command, endpoint: FakeEndpoint) -> None:
    process = begun(command)
    endpoint.fail("rate", times=FOREVER, seconds=60)
    time.sleep(3 * LATENCY_S)

    began = time.monotonic()
    stopped = kill(process, signal.SIGTERM)

    assert time.monotonic() - began < 5
    assert (stopped.code, stopped.json["reason"]) == (143, "SIGTERM")
    endpoint.heal()
    assert resumed(command, endpoint).code == 0


def test_after_a_kill_the_resume_says_how_much_may_be_sent_twice(command: Command, endpoint: FakeEndpoint) -> None:
    process = begun(command)
    limit = int(files.execute(command.db, "SELECT in_flight_limit FROM reembed_run")[0][0])
    kill(process)
    survived = files.embedded(command.db)
    # Nobody has seen that what was written is right.
    limit += most_asked(survived)

    again = resumed(command, endpoint)

    assert f"at most {limit:,} texts are sent twice" in again.err
    assert (again.code, again.json["texts_sent_twice"]) == (0, limit)
    assert again.json["reembedded"] == ROWS - survived
    assert 0 <= sent_again(command, endpoint, BATCH) <= limit
    assert all_right(command, endpoint)


@pytest.mark.parametrize("requests", FIRST_PAGE)
def test_after_a_kill_before_the_first_commit_no_more_is_sent_twice_than_is_said(
    command: Command, endpoint: FakeEndpoint, requests: int
) -> None:
    process = command.start("reembed", "--batch", str(BATCH), "--concurrency", "1", "--json")
    wait_for(lambda: endpoint.seen.requests == requests)
    kill(process)

    again = resumed(command, endpoint)

    assert (again.code, files.embedded(command.db)) == (0, ROWS)
    assert BATCH <= sent_again(command, endpoint, BATCH) <= again.json["texts_sent_twice"]
    assert all_right(command, endpoint)


def test_kill_after_kill_nothing_is_lost(command: Command, endpoint: FakeEndpoint) -> None:
    kill(begun(command))
    for least in (10, 16):
        process = command.start("reembed", "--resume", "--batch", str(BATCH), "--concurrency", "3")
        wait_for(lambda: files.embedded(command.db) >= least)  # noqa: B023 - it is called at once
        kill(process)

    assert resumed(command, endpoint).code == 0
    assert all_right(command, endpoint)
    assert files.integrity(command.db) == "ok"


def test_kill_after_kill_each_counts_what_it_had_in_flight_itself(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=5.0)
    for flags in ((), ("--resume",), ("--resume",)):
        process = command.start("reembed", "--batch", str(BATCH), *flags)
        held = f'{{"pid": {process.pid},%'
        taken = "SELECT count(*) FROM reembed_run WHERE holder_json LIKE ?"
        wait_for(lambda: files.execute(command.db, taken, held) == [(1,)])  # noqa: B023 - it is called at once
        kill(process)

    again = resumed(command, endpoint)

    # The last one may send again what any of them had sent; of the whole run each counts once.
    assert (again.code, again.json["texts_sent_twice"]) == (0, 3 * 2 * BATCH)
    assert command.run("reembed", "status", "--json").json["texts_sent_twice"] == 3 * 2 * BATCH


def test_two_starts_at_once_make_one_run(command: Command, endpoint: FakeEndpoint) -> None:
    starts = [command.start("reembed", "--json", "--batch", str(BATCH)) for _ in range(3)]
    codes = sorted(answer(each).code for each in starts)

    assert codes == [0, 11, 11]
    assert sent_again(command, endpoint, BATCH) == 0
    assert all_right(command, endpoint)


def test_a_stop_that_has_to_wait_says_so_and_a_second_signal_ends_it(tmp_path: Path) -> None:
    with FakeEndpoint(dim=16, latency=60.0) as endpoint:
        command = Command(files.create(tmp_path / "m.db", 3), remote(endpoint))
        process = command.start("reembed")
        wait_for(lambda: endpoint.seen.requests)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        told = next(line for line in process.stderr if line.startswith("Stopping"))
        assert "send the signal once more to stop at once" in told
        assert kill(process, signal.SIGTERM).code == 143


def test_until_the_command_is_loaded_a_signal_ends_it_without_a_word(tmp_path: Path) -> None:
    loading = (
        "import signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'ai_memory.cli': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from ai_memory.__main__ import start\n"
        "start()"
    )
    ended = subprocess.run([sys.executable, "-c", loading], cwd=tmp_path, env=SOURCES, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")
