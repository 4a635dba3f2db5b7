"""The counters of a run that `status` is made of: they say what a census would say, and how the last start ended."""

from __future__ import annotations

import pytest

from ai_memory.errors import CredentialsRefused
from ai_memory.reembed.plan.census import take_census
from ai_memory.reembed.sweep import asking
from ai_memory.stores.sqlite import course, runs
from ai_memory.stores.sqlite.fingerprints import read_fingerprint
from ai_memory.stores.values import Counted, LastEnd, Run
from tests.reembed.test_job import Swapped, failing_after
from tests.reembed.work import NOW_MS, Work
from tests.support import files
from tests.support.fakes import HashEmbedder

DENIED = CredentialsRefused("no")


def run_of(work: Work) -> Run:
    with work.store() as store:
        found = runs.recent_runs(store, 1)[0]
    assert found is not None
    return found


def by_census(work: Work) -> tuple[int, int, int]:
    with work.store() as store:
        run = runs.recent_runs(store, 1)[0]
        assert run is not None
        census = take_census(store, read_fingerprint(store, run.target), run.scope, now_ms=work.clock.ms)
    return census.live, census.stale, census.quarantined


def counted(work: Work) -> tuple[int, int, int]:
    found = run_of(work).counted
    assert found is not None
    return found.live, found.remaining, found.in_quarantine


@pytest.mark.parametrize("max_rows", [1, 4, 10])
def test_after_every_commit_the_counters_are_what_a_census_finds(work: Work, max_rows: int) -> None:
    work.run(batch=2, max_rows=max_rows)

    assert counted(work) == by_census(work)


@pytest.mark.parametrize("scope", [None, ("a",)])
def test_after_the_end_the_counters_are_the_final_census(work: Work, scope: tuple[str, ...] | None) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-002", "POISON")

    ended = work.run(scope=scope)

    assert counted(work) == by_census(work) == (ended.total, 0, 1)


def test_the_time_of_the_counters_is_that_of_the_census_and_not_of_the_last_commit(work: Work) -> None:
    work.embedder.before = lambda _texts: work.clock.advance(60)

    work.run(batch=2, max_rows=4)

    run = run_of(work)
    assert run.counted == Counted(10, 6, 0, NOW_MS)
    assert run.last_written_at is not None
    assert NOW_MS < run.last_written_at <= run.last_progress_at


def test_a_row_that_waits_in_quarantine_and_is_tried_again_remains_until_it_is_done(work: Work) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-001", "POISON")
    work.run()
    work.embedder = failing_after(0, DENIED)

    work.run(retry_quarantined=True)

    assert counted(work) == by_census(work) == (10, 1, 0)


def test_rows_that_other_weights_wrote_remain_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "WITNESS_EVERY", 3)
    work.run(batch=1, max_rows=2)
    work.embedder = Swapped(at=2)
    ended = work.run(batch=1, resume=True)

    assert ended.exit_code == 78
    assert counted(work) == by_census(work)


def test_a_commit_without_a_vector_is_a_sign_of_life_only(work: Work) -> None:
    files.execute(work.path, "UPDATE memories SET title = printf('%*s', rowid, ' '), content = ' '")

    work.run()

    run = run_of(work)
    assert (run.last_written_at, run.last_progress_at) == (None, NOW_MS)
    assert counted(work) == (10, 0, 10)


def test_the_rate_is_that_of_the_last_minutes(work: Work) -> None:
    work.embedder.before = lambda _texts: work.clock.advance(10)

    work.run(batch=2, max_rows=6)

    # Six rows in three requests, seven again one by one, the witness; the request behind a page may be under way too.
    assert 180 <= run_of(work).rows_per_hour <= 360


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"max_rows": 2}, (75, "max-rows")),
        ({}, (0, "complete")),
    ],
)
def test_how_an_invocation_ended_stands_in_its_run(
    work: Work, flags: dict[str, int], expected: tuple[int, str]
) -> None:
    work.run(batch=2, **flags)

    assert run_of(work).last_end == LastEnd(NOW_MS, *expected, alike=1)


def test_ends_of_one_kind_in_a_row_are_counted_and_another_kind_begins_anew(work: Work) -> None:
    for resume in (False, True, True):
        work.embedder = failing_after(0, DENIED)
        work.run(resume=resume)
    denied = run_of(work).last_end
    work.embedder = HashEmbedder()
    work.run(resume=True, batch=2, max_rows=2)

    assert denied == LastEnd(NOW_MS, 77, "credentials", alike=3)
    assert run_of(work).last_end == LastEnd(NOW_MS, 75, "max-rows", alike=1)


def test_the_start_of_a_run_keeps_what_the_file_had(work: Work) -> None:
    work.run()
    work.embedder = HashEmbedder(model="other", dim=8)

    work.run()

    with work.store() as store:
        assert course.replaced(store, run_of(work)) == (("fake/hash#none", 16, 10),)
