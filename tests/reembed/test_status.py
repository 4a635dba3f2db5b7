"""The recorded run as it is shown: state, holder, rows left, what to type next."""

from __future__ import annotations

import pytest

from ai_memory.reembed.status import Status, read_status
from ai_memory.store import runs
from ai_memory.store.lock import Holder, runner_lock
from tests import files
from tests.fakes import HashEmbedder
from tests.reembed.work import NOW_MS, Work

OTHER = Holder(4242, "elsewhere", NOW_MS)


def status_of(work: Work) -> Status:
    with work.store() as store:
        found = read_status(store, work.path, now_ms=NOW_MS)
    assert found is not None
    return found


def test_a_file_without_runs_has_no_status(work: Work) -> None:
    with work.store() as store:
        assert read_status(store, work.path, now_ms=NOW_MS) is None


def test_a_run_that_nobody_works_on_is_interrupted(work: Work) -> None:
    work.run(batch=2, max_rows=4)

    found = status_of(work)

    assert (found.run.state, found.interrupted, found.next_command) == ("running", True, "ai-memory reembed --resume")
    assert (found.census.fresh, found.census.stale, found.counters.reembedded) == (4, 6, 4)
    assert found.namespaces() == [
        {"namespace": "a", "rows": 5, "remaining": 1},
        {"namespace": "b", "rows": 5, "remaining": 5},
    ]


def test_a_run_that_is_worked_on_names_its_holder_and_needs_nothing(work: Work) -> None:
    work.run(batch=2, max_rows=4)

    with runner_lock(work.path, OTHER):
        found = status_of(work)

    assert (found.interrupted, found.held_by, found.next_command) == (False, OTHER, "")


@pytest.mark.parametrize(("edited", "next_command"), [(False, ""), (True, "ai-memory reembed")])
def test_after_the_end_only_stale_rows_need_a_command(work: Work, edited: bool, next_command: str) -> None:
    work.run()
    if edited:
        files.edit(work.path, "id-001", "changed")

    found = status_of(work)

    assert (found.run.state, found.next_command) == ("done", next_command)


def test_a_finished_run_of_some_namespaces_names_the_command_for_the_others(work: Work) -> None:
    work.run(scope=("a",))

    found = status_of(work)

    assert (found.census.stale, found.outside, found.next_command) == (0, 5, "ai-memory reembed")


@pytest.mark.parametrize("state", ["paused", "cancelled", "superseded"])
def test_every_state_that_an_operator_chose_has_its_way_on(work: Work, state: str) -> None:
    work.run(batch=2, max_rows=4)
    with work.store() as store, store.db.transaction():
        run = runs.unfinished_run(store)
        assert run is not None
        runs.transition(store, run, state, now_ms=NOW_MS, fenced=False)

    assert status_of(work).next_command.startswith("ai-memory reembed")


def test_rows_in_quarantine_are_shown_while_it_is_in_force(work: Work) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-001", "POISON")
    files.edit(work.path, "id-002", "POISON")
    work.run()
    assert {each.id for each in status_of(work).quarantined} == {"id-001", "id-002"}

    files.edit(work.path, "id-001", "harmless")

    found = status_of(work)
    assert [(each.id, each.kind, each.http_status) for each in found.quarantined] == [("id-002", "refused", 400)]
    assert found.values()["quarantined"] == 1


def test_rows_that_are_left_alone_are_counted(work: Work) -> None:
    work.run()
    files.execute(work.path, "UPDATE memories SET expires_at = '2001-01-01T00:00:00Z' WHERE id = 'id-000'")
    files.execute(work.path, "UPDATE memories SET namespace = '_agents' WHERE id IN ('id-001', 'id-002')")

    shown = status_of(work).values()

    assert (shown["total"], shown["not_live"], shown["substrate"]) == (7, 1, 2)
