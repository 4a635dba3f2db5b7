"""`reembed --window` by real processes, whose clock on the wall is set by their zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint

NIGHT = ("reembed", "--window", "01:00-05:00")
ROWS = 12


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", ROWS), remote(endpoint))
    yield command
    command.end()


def when_it_is(clock: str, command: Command) -> Command:
    """Return the command on a machine in whose zone the clock shows this time now."""
    now = datetime.now(UTC).replace(tzinfo=None)
    then = datetime.combine(now.date(), time.fromisoformat(clock))
    # POSIX counts to the west: so much is to be added to the local time to have UTC.
    west = round(((now - then + timedelta(hours=12)) % timedelta(hours=24) - timedelta(hours=12)).total_seconds())
    minutes, seconds = divmod(abs(west), 60)
    zone = f"XXX{'-' if west < 0 else ''}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    return Command(command.db, {**command.env, "TZ": zone}, started=command.started)


def test_outside_of_its_window_a_start_does_nothing_and_says_when_it_opens(
    command: Command, endpoint: FakeEndpoint
) -> None:
    noon = when_it_is("12:00:30", command)
    before = command.db.read_bytes()
    told, quiet = noon.run(*NIGHT, "--resume", "--or-start"), noon.run("-q", *NIGHT, "--resume", "--or-start")

    assert (told.code, told.out) == (75, "")
    assert "It is 12:00, and --window 01:00-05:00 opens at 01:00; nothing was done. Go on then: ai-memory" in told.error
    assert told.error.count("--window 01:00-05:00") == 2
    assert (quiet.code, quiet.out, quiet.err) == (75, "", "")
    assert (endpoint.seen.requests, command.db.read_bytes()) == (0, before)


def test_inside_of_its_window_a_start_works_also_over_midnight(command: Command) -> None:
    assert when_it_is("02:00:00", command).reembed(*NIGHT[1:], "--max-rows", "6").json["reason"] == "max-rows"
    late = when_it_is("23:30:00", command).reembed("--resume", "--window", "22:30-04:00")

    assert (late.code, late.json["remaining"]) == (0, 0)


def test_when_its_window_closes_a_start_ends_and_the_next_night_goes_on(
    command: Command, endpoint: FakeEndpoint
) -> None:
    endpoint.change(latency=1.0)
    words = ("--batch", "1", "--concurrency", "1")
    ended = when_it_is("04:59:48", command).run(*NIGHT, *words)
    endpoint.change(latency=0.0)
    status = command.run("reembed", "status").out

    assert ended.code == 75
    assert "its --window closed" in ended.err.splitlines()[-1]
    assert "stopped " in status
    assert "its --window closed" in status
    assert when_it_is("01:00:10", command).reembed(*NIGHT[1:], "--resume").json["exit_code"] == 0


def test_the_shorter_of_window_and_duration_ends_a_start(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.change(latency=1.0)
    ended = when_it_is("04:00:00", command).reembed(*NIGHT[1:], "--max-runtime", "3s", "--batch", "1")

    assert (ended.code, ended.json["reason"]) == (75, "max-runtime")


def test_a_plan_is_made_at_any_time(command: Command) -> None:
    assert when_it_is("12:00:30", command).run(*NIGHT, "--dry-run").code == 0


def test_what_is_no_window_is_refused(command: Command) -> None:
    refused = command.run("reembed", "--window", "1-5")

    assert refused.code == 64
    assert "'1-5' is not a window of the day; write 01:00-05:00, or 22:30-04:00" in refused.error
