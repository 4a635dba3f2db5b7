"""Stops while requests are in flight that are never answered: each ends in order, and the next start announces them."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, answer, kill, remote, sent_again, wait_for
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

ROWS, BATCH = 60, 2
GO_ON = ("reembed", "--resume", "--or-start", "--json", "--batch", str(BATCH), "--concurrency", "2")


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


def awaiting_the_first(command: Command, endpoint: FakeEndpoint, *words: str) -> subprocess.Popen[str]:
    """Return a run of which not even the first request is ever answered."""
    endpoint.fail("hang", times=FOREVER)
    seen = endpoint.seen.requests
    process = command.start(*GO_ON, *words)
    wait_for(lambda: endpoint.seen.requests > seen)
    return process


def awaiting_pages(command: Command, endpoint: FakeEndpoint, *words: str) -> subprocess.Popen[str]:
    """Return a run that has written some rows and waits for others, which are never answered."""
    process = command.start(*GO_ON, *words)
    wait_for(lambda: files.embedded(command.db) >= 4 * BATCH)
    endpoint.fail("hang", times=FOREVER)
    # What was answered just before is over by then.
    time.sleep(0.3)
    wait_for(lambda: endpoint.seen.in_flight)
    return process


def pause(command: Command, process: subprocess.Popen[str]) -> None:
    del process
    assert command.run("reembed", "pause", "--reason", "a test").code == 0


def terminate(command: Command, process: subprocess.Popen[str]) -> None:
    del command
    process.send_signal(signal.SIGTERM)


def nothing(command: Command, process: subprocess.Popen[str]) -> None:
    del command, process


Ask = Callable[[Command, "subprocess.Popen[str]"], None]
Await = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize(
    ("awaiting", "words", "ask", "code"),
    [
        (awaiting_the_first, ("--max-runtime", "2s"), nothing, 75),
        (awaiting_pages, (), terminate, 143),
        (awaiting_pages, (), pause, 12),
    ],
)
def test_a_stop_gives_up_what_is_never_answered(
    command: Command, endpoint: FakeEndpoint, awaiting: Await, words: tuple[str, ...], ask: Ask, code: int
) -> None:
    process = awaiting(command, endpoint, *words)
    ask(command, process)
    ended = answer(process)
    status = command.run("reembed", "status")
    endpoint.heal()
    command.run("reembed", "unpause")
    written = files.embedded(command.db)
    resumed = command.run(*GO_ON)

    assert (ended.code, ended.json["exit_code"], ended.err.count("ai-memory: ")) == (code, code, 1), ended
    assert "was killed" not in status.out
    assert (resumed.code, resumed.json["reembedded"]) == (0, ROWS - written), resumed
    assert 0 < resumed.json["texts_sent_twice"] <= 2 * ROWS
    assert "gave up what it had sent: at most" in resumed.err
    assert all_right(command, endpoint)


def test_what_is_answered_within_the_patience_is_kept(command: Command, endpoint: FakeEndpoint) -> None:
    process = command.start(*GO_ON)
    wait_for(lambda: files.embedded(command.db) >= 4 * BATCH)
    endpoint.change(latency=2.0)
    seen = len(endpoint.seen.bodies)
    wait_for(lambda: len(endpoint.seen.bodies) >= seen + 2)
    written = files.embedded(command.db)
    process.send_signal(signal.SIGTERM)
    ended = answer(process)
    endpoint.change(latency=0.0)

    assert (ended.code, files.embedded(command.db) > written) == (143, True)
    assert command.run(*GO_ON).json["texts_sent_twice"] == 0
    assert sent_again(command, endpoint, BATCH) == 0


def test_a_run_that_is_cancelled_gives_up_what_is_never_answered(command: Command, endpoint: FakeEndpoint) -> None:
    process = awaiting_pages(command, endpoint)
    assert command.run("reembed", "cancel").code == 0
    ended = answer(process)
    status = command.run("reembed", "status", "--json").json
    endpoint.heal()
    written = files.embedded(command.db)
    begun = command.run("reembed", "--yes", "--json", "--batch", str(BATCH))

    assert (ended.code, ended.json["state"]) == (12, "cancelled")
    spent = ("texts_sent", "requests", "tokens")
    assert [status[each] for each in spent] == [ended.json[each] for each in spent]
    assert (begun.code, begun.json["resumed"], begun.json["reembedded"]) == (0, False, ROWS - written), begun
    assert 0 < begun.json["texts_sent_twice"] <= 2 * ROWS
    assert "gave up what it had sent: at most" in begun.err
    assert all_right(command, endpoint)


def test_a_backfill_announces_what_a_run_that_was_given_up_had_in_flight(
    command: Command, endpoint: FakeEndpoint
) -> None:
    process = awaiting_pages(command, endpoint)
    kill(process)
    assert command.run("reembed", "cancel").code == 0
    endpoint.heal()
    written = files.embedded(command.db)
    filled = command.run("backfill", "--json")

    assert (filled.code, filled.json["embedded"]) == (0, ROWS - written), filled
    assert 0 < filled.json["texts_sent_twice"] <= 2 * ROWS
    assert "gave up what it had sent: at most" in filled.err
    assert all_right(command, endpoint)


def test_a_second_signal_ends_at_once(command: Command, endpoint: FakeEndpoint) -> None:
    process = awaiting_pages(command, endpoint)
    process.send_signal(signal.SIGTERM)
    assert process.stderr
    while "within 10 s; send the signal once more" not in process.stderr.readline():
        assert process.poll() is None

    ended = kill(process, signal.SIGTERM)

    assert (ended.code, ended.out) == (143, "")
    assert "as after a kill" in ended.error


def all_right(command: Command, endpoint: FakeEndpoint) -> bool:
    expected = {row: b"\x01" + endpoint.vector(text).tobytes() for row, text in files.texts(command.db).items()}
    return files.vectors(command.db) == expected and files.integrity(command.db) == "ok"
