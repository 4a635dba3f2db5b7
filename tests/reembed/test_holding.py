"""One runner: who holds the lock is named, and one that makes no progress is called stuck."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from ai_memory.errors import DataRefused, RunHeld, RunnerStuck
from ai_memory.reembed.breaker import LONGEST_ASKED_MS
from ai_memory.reembed.holding import STUCK_MS, holding
from ai_memory.stores.holder import Holder, Task
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite import runs
from ai_memory.stores.sqlite.lock import lock_path, runner_lock
from ai_memory.stores.values import Breaker
from tests.reembed.work import NOW_MS, Work, begun, known
from tests.support import files

OTHER = Holder(4242, "elsewhere", NOW_MS)


def hold(path: Path, *, now_ms: int = NOW_MS) -> None:
    with holding(database(path), now_ms=now_ms):
        pass


def test_a_held_lock_names_its_holder(work: Work) -> None:
    with runner_lock(work.path, OTHER), pytest.raises(RunHeld, match="Process 4242 on elsewhere") as refusal:
        hold(work.path)

    assert refusal.value.exit_code == 11


@pytest.mark.parametrize(("after_ms", "error"), [(STUCK_MS, RunHeld), (STUCK_MS + 1, RunnerStuck)])
def test_a_holder_without_progress_is_stuck(work: Work, after_ms: int, error: type[RunHeld]) -> None:
    with work.store() as store:
        begun(store, known(store, work.embedder))

    with runner_lock(work.path, OTHER), pytest.raises(RunHeld) as refusal:
        hold(work.path, now_ms=NOW_MS + after_ms)

    assert type(refusal.value) is error
    assert refusal.value.exit_code == (1 if error is RunnerStuck else 11)


@pytest.mark.parametrize("task", [Task.BACKFILL, Task.STAMP, Task.MAKE_STALE, Task.RESTORE, Task.REPAIR])
def test_who_holds_the_lock_for_another_task_is_named_with_it_and_not_judged_by_the_run(work: Work, task: Task) -> None:
    with work.store() as store:
        begun(store, known(store, work.embedder))

    with (
        runner_lock(work.path, replace(OTHER, task=task)),
        pytest.raises(RunHeld, match=f"ai-memory {task}") as refusal,
    ):
        hold(work.path, now_ms=NOW_MS + 10 * STUCK_MS)

    assert type(refusal.value) is RunHeld


def test_who_has_just_taken_over_from_a_runner_killed_yesterday_is_not_stuck(work: Work) -> None:
    with work.store() as store:
        begun(store, known(store, work.embedder))
    tomorrow = NOW_MS + 24 * 3_600_000

    with runner_lock(work.path, Holder(4242, "elsewhere", tomorrow - 1000)), pytest.raises(RunHeld) as refusal:
        hold(work.path, now_ms=tomorrow)

    assert type(refusal.value) is RunHeld


def test_who_has_just_waited_for_the_endpoint_is_not_stuck(work: Work) -> None:
    with work.store() as store:
        run, waited = begun(store, known(store, work.embedder)), NOW_MS + 900_000
        with store.transaction() as transaction:
            runs.set_breaker(transaction, run, Breaker(open=True, until_ms=waited, wait_ms=900_000), now_ms=NOW_MS)

    with runner_lock(work.path, OTHER), pytest.raises(RunHeld) as refusal:
        hold(work.path, now_ms=waited + 1000)

    assert type(refusal.value) is RunHeld


def test_a_process_that_only_reads_the_lock_is_told_apart_from_a_runner(work: Work) -> None:
    hold(work.path)

    with files.shared(lock_path(work.path)), pytest.raises(RunnerStuck, match="only reads it") as refusal:
        hold(work.path)

    assert refusal.value.exit_code == 1
    assert f"fuser -v {lock_path(work.path)}" in refusal.value.tip
    assert f"chmod 600 {lock_path(work.path)}" in refusal.value.tip


def test_a_lock_that_outlives_the_process_in_its_note_is_not_called_that_process(work: Work) -> None:
    gone = Holder(2**22 + 1, socket.gethostname(), NOW_MS)

    with runner_lock(work.path, gone), pytest.raises(RunnerStuck, match=f"process {gone.pid}.* is gone") as refusal:
        hold(work.path)

    assert refusal.value.exit_code == 1


@pytest.mark.parametrize("note", ["", "[" * 100_000, '{"pid": "x"}'])
def test_a_lock_whose_note_names_nobody_is_told_as_it_is(work: Work, note: str) -> None:
    with runner_lock(work.path, OTHER):
        lock_path(work.path).write_text(note)
        with pytest.raises(RunnerStuck, match="nothing says by whom"):
            hold(work.path)


@pytest.mark.parametrize("until", [2**63 - 1, 4_951_371_600_000])
def test_an_absurd_breaker_hides_for_a_day_at_most_that_the_holder_is_stuck(work: Work, until: int) -> None:
    with work.store() as store:
        begun(store, known(store, work.embedder))
    files.execute(work.path, "UPDATE reembed_run SET breaker_until = ?, breaker_state = 'open'", until)

    with runner_lock(work.path, OTHER), pytest.raises(RunnerStuck):
        hold(work.path, now_ms=NOW_MS + LONGEST_ASKED_MS + STUCK_MS + 1)


def test_a_clock_that_was_set_back_makes_nobody_stuck(work: Work) -> None:
    with work.store() as store:
        begun(store, known(store, work.embedder))

    with runner_lock(work.path, OTHER), pytest.raises(RunHeld) as refusal:
        hold(work.path, now_ms=NOW_MS - 30 * LONGEST_ASKED_MS)

    assert type(refusal.value) is RunHeld


def test_a_lock_that_is_let_go_can_be_held_again(work: Work) -> None:
    hold(work.path)
    hold(work.path)


def test_a_missing_database_gets_no_lock_file(tmp_path: Path) -> None:
    path = tmp_path / "none.db"

    with pytest.raises(DataRefused):
        hold(path)

    assert not lock_path(path).exists()
