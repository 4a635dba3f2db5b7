"""A pause of the file is obeyed by every start, and by a run that is at work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ai_memory.errors import OperatorNeeded, TransientFailure
from ai_memory.stores.sqlite import pauses
from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.values import Pause
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.reembed.work import NOW_MS, Work
from tests.support import files
from tests.support.command import Command, answer, remote, wait_for
from tests.support.fake_endpoint import FOREVER, FakeEndpoint

EVERY_START: list[dict[str, Any]] = [
    {}, {"resume": True}, {"resume": True, "or_start": True}, {"retarget": True}, {"resume": True, "retarget": True},
]  # fmt: skip


def pause(path: Path, *, until: int | None = None) -> None:
    with writing(path, now_ms=NOW_MS) as store, store.transaction() as transaction:
        pauses.put(transaction, Pause(NOW_MS, until, "ann on db1", "the disk is being moved"))


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("flags", EVERY_START)
def test_no_start_works_on_a_file_that_is_paused(work: Work, flags: dict[str, Any], *, begun: bool) -> None:
    if begun:
        work.run(max_rows=2, batch=2)
    pause(work.path, until=NOW_MS + 1)
    before, requests = files.vectors(work.path), work.embedder.meter.spent.requests

    with pytest.raises(OperatorNeeded, match=r"ann on db1 paused .* until 2027-.*: the disk is being moved") as refusal:
        work.run(**flags)

    assert (refusal.value.exit_code, "ai-memory reembed unpause" in refusal.value.tip) == (12, True)
    assert (files.vectors(work.path), work.embedder.meter.spent.requests) == (before, requests)


def test_a_pause_whose_time_is_over_is_none(work: Work) -> None:
    pause(work.path, until=NOW_MS)

    assert work.run().exit_code == 0


def test_a_run_that_is_paused_keeps_what_is_paid_for_and_ends_within_a_batch(work: Work) -> None:
    rows: list[str] = []

    def pause_at_the_third(texts: Sequence[str]) -> None:
        new = [text for text in texts if text not in {*WITNESS_TEXTS, *rows}]
        rows.extend(new)
        if new and len(rows) == 3:
            pause(work.path)

    work.embedder.before = pause_at_the_third

    ended = work.run(batch=1)

    assert (ended.exit_code, ended.reason, ended.state) == (12, "paused", "running")
    assert "ann on db1 paused" in ended.error
    # Two are in flight at once.
    assert 3 <= ended.reembedded == len(rows) <= 5
    work.embedder.before = None
    files.execute(work.path, "DELETE FROM reembed_pause")
    work.stop = type(work.stop)()
    again = work.run(resume=True)
    assert (again.exit_code, again.texts_sent_twice, work.all_right()) == (0, 0, True)


BATCH = 2
FIRST_PAGE = 1 + 3
"""Requests before it: the witness texts one by one, the first text as numbers."""
ITS_CHECK = FIRST_PAGE + 1
SECOND_PAGE = ITS_CHECK + BATCH
"""Requests before it: also the first page, and each of its rows again."""


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db"), remote(endpoint))
    yield command
    command.end()


def retrying(command: Command, endpoint: FakeEndpoint, *, after: int = SECOND_PAGE) -> Any:  # noqa: ANN401 - of text
    """Begin a run whose requests are retried for a minute `after` so many, and return once that is in the file."""
    endpoint.fail("none", times=after)
    endpoint.fail("unavailable", times=FOREVER)
    process = command.start("reembed", "--json", "--batch", str(BATCH), "--concurrency", "1", "--retry-for", "60s")
    wait_for(lambda: endpoint.seen.requests > after)
    wait_for(lambda: "Overloaded" in str(last_error(command)))
    return process


def last_error(command: Command) -> object:
    return files.execute(command.db, "SELECT last_error FROM reembed_run")[0][0]


def test_a_run_that_waits_for_an_endpoint_notes_why_and_gives_signs_of_life(
    command: Command, endpoint: FakeEndpoint
) -> None:
    retrying(command, endpoint)
    sign = "SELECT last_progress_at FROM reembed_run"
    (first,) = files.execute(command.db, sign)

    wait_for(lambda: files.execute(command.db, sign) > [first])
    endpoint.heal()
    wait_for(lambda: files.execute(command.db, "SELECT state FROM reembed_run") == [("done",)], seconds=40)

    assert last_error(command) is None


@pytest.mark.parametrize("verb", ["pause", "cancel"])
@pytest.mark.parametrize(("after", "kept"), [(FIRST_PAGE, 0), (ITS_CHECK, 0), (SECOND_PAGE, BATCH)])
def test_a_run_that_waits_for_an_endpoint_obeys_its_operator(
    command: Command, endpoint: FakeEndpoint, verb: str, after: int, kept: int
) -> None:
    process = retrying(command, endpoint, after=after)

    assert command.run("reembed", verb).code == 0
    ended = answer(process, timeout_s=20)

    assert ended.code == 12
    assert {"pause": "paused", "cancel": "Run 1 was cancelled meanwhile"}[verb] in ended.error
    assert files.execute(command.db, "SELECT count(*) FROM memories WHERE embedding IS NOT NULL") == [(kept,)]


def test_a_run_that_waits_for_its_breaker_obeys_a_pause(command: Command, endpoint: FakeEndpoint) -> None:
    endpoint.fail("unavailable", times=FOREVER)
    process = command.start("reembed", "--json", "--retry-for", "0s", "--wait", "1h")
    wait_for(lambda: "Overloaded" in str(last_error(command)) if has_run(command) else False)

    assert command.run("reembed", "pause", "--reason", "maintenance").code == 0
    ended = answer(process, timeout_s=20)

    assert (ended.code, ended.json["reason"]) == (12, "paused")
    assert "maintenance" in ended.error


def has_run(command: Command) -> bool:
    return bool(files.execute(command.db, "SELECT 1 FROM reembed_run"))


@pytest.mark.parametrize("until", ["07:61", "tomorrow", "", "2026-13-01T00:00:00Z", "2001-01-01T00:00:00Z"])
def test_a_pause_until_no_time_to_come_is_refused(command: Command, until: str) -> None:
    ended = command.run("reembed", "pause", "--until", until)

    assert ended.code == 64
    assert "until" in ended.error


@pytest.mark.parametrize("until", ["07:30", "0:00", "2126-03-01T07:30:00+01:00"])
def test_a_pause_lasts_until_it_is_over_or_taken_off(command: Command, until: str) -> None:
    paused = command.run("reembed", "pause", "--until", until, "--json")
    refused = command.run("reembed")
    unpaused = [command.run("reembed", "unpause", "--json").json["was_paused"] for _ in range(2)]

    assert (paused.code, refused.code, unpaused) == (0, 12, [True, False])
    assert command.run("reembed").code == 0


def test_a_reason_of_any_bytes_is_kept_as_text(command: Command) -> None:
    assert command.run("reembed", "pause", "--reason", "\udcff\x1b[2J sk-proj-abcdefghijklmnopqrstuvwxyz").code == 0

    told = command.run("reembed").error
    assert "paused" in told
    assert "abcdefghij" not in told


def test_a_pause_that_cannot_be_read_is_told_and_taken_off(command: Command) -> None:
    command.run("reembed", "pause")
    files.execute(command.db, "UPDATE reembed_pause SET paused_at = -1")

    assert command.run("reembed").code == 65
    assert command.run("reembed", "unpause").code == 0
    assert command.run("reembed").code == 0


@pytest.mark.parametrize("ends", ["endpoint", "budget"])
def test_a_run_that_ends_by_itself_on_a_file_that_was_paused_says_so(work: Work, ends: str) -> None:
    def fail_once_paused(texts: Sequence[str]) -> None:
        if not set(texts) & set(WITNESS_TEXTS):
            pause(work.path)
            if ends == "endpoint":
                raise TransientFailure("503")

    work.embedder.before = fail_once_paused

    ended = work.run(batch=2, max_rows=2)

    assert (ended.exit_code, ended.reason) == (12, "paused")
    assert "ann on db1 paused" in ended.error
