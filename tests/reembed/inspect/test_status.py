"""The recorded run as its own counters show it: what it is in, rows left, what to type next."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ai_memory.errors import CredentialsRefused
from ai_memory.reembed.holding import STUCK_MS
from ai_memory.reembed.inspect.condition import LONGEST_PAUSE_MS, Condition
from ai_memory.reembed.inspect.quarantined import quarantined_rows
from ai_memory.reembed.inspect.read_status import read_status
from ai_memory.reembed.inspect.status import Status
from ai_memory.reembed.plan.wanted import Wanted
from ai_memory.stores.holder import Holder, Task
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite import approvals, pauses, runs
from ai_memory.stores.sqlite.lock import runner_lock
from ai_memory.stores.values import Counted, Pause
from ai_memory.text.times import timestamp
from tests.conftest import ROOT
from tests.reembed.test_job import failing_after
from tests.reembed.work import NOW_MS, Work
from tests.support import files
from tests.support.fakes import HashEmbedder

OTHER = Holder(4242, "elsewhere", NOW_MS)
HERE = Wanted(space="fake/hash#none", dim=16)


def status_of(work: Work, **asked: Any) -> Status:  # noqa: ANN401 - arguments of read_status
    with work.store() as store:
        found = read_status(database(work.path), store, **{"now_ms": NOW_MS, **asked})
    assert found is not None
    return found


def killed(work: Work) -> Holder:
    """Leave the run as a runner does that was killed."""
    files.execute(work.path, "UPDATE reembed_run SET holder_json = ?", OTHER.to_json())
    return OTHER


def test_a_file_without_runs_has_no_status(work: Work) -> None:
    with work.store() as store:
        assert read_status(database(work.path), store, now_ms=NOW_MS) is None


def test_a_run_whose_budget_is_spent_is_stopped_and_goes_on_by_itself(work: Work) -> None:
    work.run(batch=2, max_rows=4)

    found = status_of(work)

    assert (found.condition, found.interrupted, found.next_words) == (Condition.STOPPED, True, "reembed --resume")
    assert (found.counted, found.done, found.verdict) == (Counted(10, 6, 0, NOW_MS), 4, 75)
    assert found.census is None


def test_a_killed_run_is_no_stopped_one(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    killed(work)

    found = status_of(work)

    assert (found.condition, found.interrupted, found.verdict) == (Condition.KILLED, True, 75)


def test_a_run_whose_runner_gave_up_what_was_in_flight_is_a_stopped_one(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    killed(work)
    files.execute(work.path, "UPDATE reembed_run SET ended_at = last_progress_at + 1")

    found = status_of(work)

    assert (found.condition, found.interrupted, found.verdict) == (Condition.STOPPED, True, 75)


def test_a_run_that_only_somebody_can_mend_needs_somebody(work: Work) -> None:
    work.embedder = failing_after(0, CredentialsRefused("no"))
    work.run()

    found = status_of(work)

    assert (found.condition, found.verdict, found.next_words) == (Condition.STOPPED, 1, "reembed --resume")


@pytest.mark.parametrize("ended", [killed, lambda _work: None])
def test_a_run_that_nobody_went_on_with_for_long_needs_somebody(work: Work, ended: Any) -> None:  # noqa: ANN401
    work.run(batch=2, max_rows=4)
    ended(work)

    assert status_of(work, now_ms=NOW_MS + LONGEST_PAUSE_MS).verdict == 75
    assert status_of(work, now_ms=NOW_MS + LONGEST_PAUSE_MS + 1).verdict == 1


def test_a_run_that_is_worked_on_names_its_holder_and_needs_nothing(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    killed(work)

    with runner_lock(work.path, OTHER):
        found = status_of(work)
        late = status_of(work, now_ms=NOW_MS + STUCK_MS + 1)

    assert (found.condition, found.interrupted, found.work.held_by) == (Condition.WORKING, False, OTHER)
    assert (found.next_words, found.verdict) == ("", 0)
    assert (late.condition, late.verdict) == (Condition.STUCK, 1)


def test_a_run_that_was_killed_waits_while_a_backfill_holds_the_lock_however_long(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    killed(work)

    with runner_lock(work.path, replace(OTHER, task=Task.BACKFILL)):
        found = status_of(work, now_ms=NOW_MS + 10 * STUCK_MS)

    assert (found.condition, found.verdict) == (Condition.HELD_UP, 75)


def test_a_runner_that_waits_for_the_endpoint_is_not_stuck(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    killed(work)
    until = NOW_MS + 2 * STUCK_MS
    files.execute(work.path, "UPDATE reembed_run SET breaker_state = 'open', breaker_until = ?", until)

    with runner_lock(work.path, OTHER):
        found = status_of(work, now_ms=until - 1)

    assert (found.condition, found.verdict) == (Condition.AWAITING, 75)


@pytest.mark.parametrize(("edited", "next_words"), [(False, ""), (True, "reembed")])
def test_after_the_end_only_stale_rows_need_a_command_and_only_a_census_finds_them(
    work: Work, edited: bool, next_words: str
) -> None:
    work.run()
    if edited:
        files.edit(work.path, "id-001", "changed")

    found = status_of(work, exact=True)

    assert (found.condition, found.next_words) == (Condition.DONE, next_words)
    assert (status_of(work).next_words, status_of(work).verdict) == ("", 0)


def test_a_census_tells_rows_edited_since_from_rows_that_were_never_done(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    files.edit(work.path, "id-000", "changed")
    files.edit(work.path, "id-009", "changed too")

    found = status_of(work, exact=True, now_ms=NOW_MS + 5).values()

    assert (found["done"], found["remaining"], found["edited"], found["counted_at"]) == (3, 7, 1, timestamp(NOW_MS + 5))
    assert found["namespaces"] == [
        {"namespace": "a", "rows": 5, "remaining": 2},
        {"namespace": "b", "rows": 5, "remaining": 5},
    ]


def test_a_finished_run_of_some_namespaces_names_the_command_for_the_others(work: Work) -> None:
    work.run(scope=("a",))

    found = status_of(work, exact=True)

    assert (found.counted, found.outside, found.next_words) == (Counted(5, 0, 0, NOW_MS), 5, "reembed")


@pytest.mark.parametrize(("state", "verdict"), [("paused", 75), ("cancelled", 1), ("superseded", 1)])
def test_every_state_that_an_operator_chose_has_its_way_on(work: Work, state: str, verdict: int) -> None:
    work.run(batch=2, max_rows=4)
    with work.store() as store, store.transaction() as transaction:
        run = runs.unfinished_run(transaction)
        assert run is not None
        runs.transition(transaction, run, state, now_ms=NOW_MS, fenced=False)
        approvals.withdraw(transaction, run.run_id)

    found = status_of(work)

    assert (found.condition.value, found.verdict) == (state, verdict)
    assert found.next_words.startswith("reembed")


@pytest.mark.parametrize("max_rows", [4, 10])
def test_another_target_in_the_configuration_needs_somebody(work: Work, max_rows: int) -> None:
    work.run(batch=2, max_rows=max_rows)

    assert status_of(work, wanted=HERE).verdict in (0, 75)
    for other in (replace(HERE, space="other#none"), replace(HERE, dim=8), replace(HERE, fault="no")):
        assert status_of(work, wanted=other).verdict == 1


def test_a_file_whose_run_has_no_counters_is_counted(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    files.execute(work.path, "UPDATE reembed_run SET counted_at = NULL, live = 0, remaining = 0")

    assert status_of(work, now_ms=NOW_MS + 5).counted == Counted(10, 6, 0, NOW_MS + 5)


KEPT = """
    INSERT INTO reembed_event (run_id, at, kind, detail_json)
    SELECT run_id, 1, 'computing', CAST(? AS TEXT) FROM reembed_run
"""


def test_how_a_model_computed_is_told_where_it_can_be_read(work: Work) -> None:
    work.run()
    whole = b'{"engine": "torch 2.9", "threads": 2, "tokens": 900, "filling": 100, "seconds": 0.5}'
    for kept in (b"\xff", b"[" * 100_000, b"[]", whole):
        assert status_of(work).values()["computing"] is None
        files.execute(work.path, "DELETE FROM reembed_event WHERE kind = 'computing'")
        files.execute(work.path, KEPT, kept)

    assert status_of(work).values()["computing"] == {
        "engine": "torch 2.9",
        "threads": 2,
        "tokens_per_second": 1_800,
        "padding": 0.1,
    }


def test_the_time_left_is_what_remains_at_the_rate(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    assert status_of(work).seconds_left is None

    files.execute(work.path, "UPDATE reembed_run SET rows_per_hour = 1200")

    assert status_of(work).seconds_left == 18


def test_rows_in_quarantine_are_listed_with_their_titles_while_it_is_in_force(work: Work) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-001", "POISON")
    files.edit(work.path, "id-002", "POISON")
    work.run()
    files.edit(work.path, "id-001", "harmless")
    files.execute(work.path, "UPDATE memories SET title = 'Poisoned' WHERE id = 'id-003'")

    with work.store() as store:
        found = quarantined_rows(store)

    assert [(each.entry.id, each.entry.kind, each.title) for each in found] == [("id-002", "refused", "title id-002")]
    assert status_of(work, exact=True).values()["quarantined"] == 1


def test_rows_that_are_left_alone_are_counted(work: Work) -> None:
    work.run()
    files.execute(work.path, "UPDATE memories SET expires_at = '2001-01-01T00:00:00Z' WHERE id = 'id-000'")
    files.execute(work.path, "UPDATE memories SET namespace = '_agents' WHERE id IN ('id-001', 'id-002')")

    shown = status_of(work, exact=True).values()

    assert (shown["total"], shown["not_live"], shown["substrate"]) == (7, 1, 2)


PAUSE = Pause(at=NOW_MS, until=None, by="ann on db1", reason="a backup")


def pause(work: Work, until: int | None = None) -> None:
    with work.store() as store, store.transaction() as transaction:
        pauses.put(transaction, replace(PAUSE, until=until))


def test_a_pause_is_named_and_taken_off_by_the_next_command(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    pause(work)

    found = status_of(work)

    assert (found.condition, found.pause, found.next_words) == (Condition.PAUSED, PAUSE, "reembed unpause")
    assert (found.verdict, status_of(work, now_ms=NOW_MS + LONGEST_PAUSE_MS + 1).verdict) == (75, 1)


def test_a_pause_that_has_an_end_waits_for_it_and_then_the_run_goes_on(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    until = NOW_MS + 2 * LONGEST_PAUSE_MS
    pause(work, until)

    assert status_of(work, now_ms=until - 1).verdict == 75
    over = status_of(work, now_ms=until)
    assert (over.condition, over.pause, over.next_words) == (Condition.STOPPED, None, "reembed --resume")


def test_an_end_by_a_pause_that_is_over_needs_nobody(work: Work) -> None:
    def paused(_texts: object) -> None:
        pause(work)

    work.embedder.before = paused
    ended = work.run(batch=2)
    work.embedder.before = None
    files.execute(work.path, "DELETE FROM reembed_pause")

    assert ended.exit_code == 12
    assert (status_of(work).condition, status_of(work).verdict) == (Condition.STOPPED, 75)


def test_the_failure_of_an_earlier_start_is_not_that_of_a_run_at_work(work: Work) -> None:
    work.embedder = failing_after(0, CredentialsRefused("no"))
    work.run()
    seen: list[str | None] = []
    work.embedder = HashEmbedder(before=lambda _texts: seen.append(status_of(work).run.last_error))

    work.run(resume=True)

    assert set(seen) == {None}


def test_a_runner_whose_requests_fail_is_waited_for_and_not_for_ever(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    killed(work)
    late = NOW_MS + LONGEST_PAUSE_MS + 1
    files.execute(work.path, "UPDATE reembed_run SET last_error = 'no answer', last_progress_at = ?", late)

    with runner_lock(work.path, OTHER):
        found, later = status_of(work), status_of(work, now_ms=late)

    assert (found.condition, found.verdict) == (Condition.WORKING, 75)
    assert (later.condition, later.verdict) == (Condition.WORKING, 1)


def test_the_page_on_the_json_object_has_each_of_its_names(work: Work) -> None:
    work.run(batch=2, max_rows=4)

    page = (ROOT / "docs" / "status-json.md").read_text("utf-8")
    heads = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(heads))) == sorted(status_of(work, exact=True).values())
