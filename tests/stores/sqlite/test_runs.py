"""Runs: one at a time, every change guarded by state and fence."""

from __future__ import annotations

import pytest

from ai_memory.errors import NotFinished, OperatorNeeded, StatementRefused
from ai_memory.stores.course import TAKEN_OVER, WRITTEN
from ai_memory.stores.holder import Holder
from ai_memory.stores.sqlite import checkpoints, course, runs, settled
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.values import Breaker, Checkpoint, Counters, Run, Steps
from ai_memory.vectors.target import Fingerprint
from tests.reembed.work import NOW_MS, begun, committed, known
from tests.support.fakes import HashEmbedder

OTHER = Holder(2, "there", NOW_MS)


@pytest.fixture
def target(store: Store) -> Fingerprint:
    return known(store, HashEmbedder())


@pytest.fixture
def run(store: Store, target: Fingerprint) -> Run:
    return begun(store, target)


def event_kinds(store: Store, run: Run) -> list[str]:
    return [kind for (kind,) in store.db.execute("SELECT kind FROM reembed_event WHERE run_id = ?", (run.run_id,))]


def taken_over(store: Store, run: Run) -> Run:
    return committed(store, runs.take_over, run, OTHER, in_flight_limit=7, lost=100, now_ms=NOW_MS)


def test_at_most_one_run_is_unfinished(store: Store, run: Run, target: Fingerprint) -> None:
    assert runs.unfinished_run(store) == run

    with pytest.raises(StatementRefused, match="UNIQUE"):
        begun(store, target)


def test_a_run_keeps_only_the_last_target_for_which_nothing_was_stale(store: Store, run: Run) -> None:
    committed(store, runs.transition, run, "cancelled", now_ms=NOW_MS, fenced=True)
    for dim in range(8, 12):
        committed(store, settled.note_nothing_stale, None, "other", dim, now_ms=NOW_MS)

    assert settled.nothing_stale(store, run.run_id) == ("other", 11)
    assert event_kinds(store, run).count(settled.NOTHING_STALE) == 1


@pytest.mark.parametrize("state", ["done", "cancelled", "superseded"])
def test_an_ended_run_makes_room_for_the_next(store: Store, run: Run, target: Fingerprint, state: str) -> None:
    committed(store, runs.transition, run, state, now_ms=NOW_MS + 5, fenced=True)

    ended = runs.read_run(store, run.run_id)
    assert (ended.state, ended.finished_at, ended.holder) == (state, NOW_MS + 5, None)
    assert runs.unfinished_run(store) is None
    assert begun(store, target).run_id == run.run_id + 1


def test_a_take_over_raises_the_fence_and_shuts_the_old_holder_out(store: Store, run: Run) -> None:
    new = taken_over(store, run)

    assert new.fence == run.fence + 1
    with pytest.raises(NotFinished):
        committed(store, runs.hold, run, in_flight_limit=1, now_ms=NOW_MS)
    with pytest.raises(NotFinished):
        committed(store, runs.transition, run, "done", now_ms=NOW_MS, fenced=True)
    with pytest.raises(NotFinished):
        committed(store, runs.next_pass, run, now_ms=NOW_MS)
    committed(store, runs.hold, new, in_flight_limit=1, now_ms=NOW_MS)


@pytest.mark.parametrize("state", ["paused", "cancelled", "superseded"])
def test_a_run_that_an_operator_stopped_takes_no_more_commits(store: Store, run: Run, state: str) -> None:
    committed(store, runs.transition, run, state, now_ms=NOW_MS, fenced=False)

    with pytest.raises(OperatorNeeded, match=f"was {state}.*nothing more is written"):
        committed(store, runs.hold, run, in_flight_limit=1, now_ms=NOW_MS)


def test_two_who_take_over_at_once_are_one(store: Store, run: Run) -> None:
    taken_over(store, run)

    with pytest.raises(NotFinished):
        taken_over(store, run)


def test_only_the_take_over_of_a_killed_run_counts_texts_sent_twice(store: Store, run: Run) -> None:
    after_a_kill = taken_over(store, run)
    assert runs.read_run(store, after_a_kill.run_id).counters.texts_sent_twice == 100

    committed(store, runs.leave, after_a_kill, last_error="the endpoint is gone", limits={"inputs": 32}, unsettled=0)
    after_a_stop = taken_over(store, runs.read_run(store, run.run_id))
    assert runs.read_run(store, after_a_stop.run_id).counters.texts_sent_twice == 100
    assert event_kinds(store, run) == ["started", "runner", "taken over", "runner"]


def test_cursors_belong_to_a_pass(store: Store, run: Run) -> None:
    committed(store, checkpoints.advance, run, {"a": Checkpoint("a", "id-004", eof=False, rows_done=3)}, now_ms=NOW_MS)
    committed(store, checkpoints.advance, run, {"a": Checkpoint("a", "id-008", eof=True, rows_done=2)}, now_ms=NOW_MS)
    assert checkpoints.read(store, run) == {"a": Checkpoint("a", "id-008", eof=True, rows_done=5)}

    second = committed(store, runs.next_pass, run, now_ms=NOW_MS)

    assert (second.pass_number, checkpoints.read(store, second)) == (2, {})
    first: Steps = {"a": Checkpoint("a", "id-000", eof=False, rows_done=1)}
    committed(store, checkpoints.advance, second, first, now_ms=NOW_MS)
    assert checkpoints.read(store, second) == first


def test_the_end_of_a_namespace_keeps_its_cursor(store: Store, run: Run) -> None:
    committed(store, checkpoints.advance, run, {"a": Checkpoint("a", "id-008", eof=False, rows_done=5)}, now_ms=NOW_MS)
    committed(store, checkpoints.advance, run, {"a": Checkpoint("a", None, eof=True, rows_done=0)}, now_ms=NOW_MS)

    assert checkpoints.read(store, run) == {"a": Checkpoint("a", "id-008", eof=True, rows_done=5)}


def test_counters_add_up(store: Store, run: Run) -> None:
    committed(store, runs.count, run, Counters(reembedded=2, raced=1, texts_sent=3, requests=1))
    committed(store, runs.count, run, Counters(reembedded=5, quarantined=1, retries=2))

    expected = Counters(reembedded=7, raced=1, quarantined=1, texts_sent=3, requests=1, retries=2)
    assert runs.read_run(store, run.run_id).counters == expected


def test_every_edge_of_the_breaker_is_an_event(store: Store, run: Run) -> None:
    committed(store, runs.set_breaker, run, Breaker(open=True, until_ms=9, wait_ms=4), now_ms=NOW_MS, reason="gone")
    opened = runs.read_run(store, run.run_id)
    committed(store, runs.set_breaker, opened, Breaker(), now_ms=NOW_MS)

    assert (opened.breaker_state, opened.breaker_until, opened.breaker_wait_ms) == ("open", 9, 4)
    assert runs.read_run(store, run.run_id).breaker_state == "closed"
    assert event_kinds(store, run)[-2:] == ["breaker open", "breaker closed"]


def test_the_latest_run_is_found_when_none_is_unfinished(store: Store, run: Run) -> None:
    committed(store, runs.transition, run, "done", now_ms=NOW_MS, fenced=True)

    assert runs.unfinished_run(store) is None
    latest = runs.recent_runs(store, 1)[0]
    assert latest is not None
    assert latest.run_id == run.run_id


def test_of_very_many_starts_the_latest_are_kept_and_all_that_was_written(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "MOST_STARTS", 3)
    committed(store, runs.count, run, Counters(reembedded=1), written_at=NOW_MS)
    for second in range(9):
        run = committed(store, runs.take_over, run, OTHER, in_flight_limit=7, lost=100, now_ms=NOW_MS + second)

    told = course.moments(store, run)
    assert [each.at - NOW_MS for each in told if each.kind == TAKEN_OVER] == [6, 7, 8]
    assert [each.rows for each in told if each.kind == WRITTEN] == [1]
    assert event_kinds(store, run)[0] == "started"
