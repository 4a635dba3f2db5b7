"""An unattended start goes only where a person sent it."""

from __future__ import annotations

from typing import Any

import pytest

from ai_memory.errors import OperatorNeeded, WrongTarget
from ai_memory.stores.sqlite import approvals, runs
from tests.reembed.work import NOW_MS, Work
from tests.support import files
from tests.support.fakes import HashEmbedder

CRON: dict[str, Any] = {"resume": True, "or_start": True}
OTHER = HashEmbedder(dim=24)


def refused(work: Work, **flags: Any) -> str:  # noqa: ANN401 - fields of Options
    with pytest.raises(OperatorNeeded) as refusal:
        work.run(**{**CRON, **flags})
    return refusal.value.line()


@pytest.mark.parametrize("flags", [{}, {"yes": True}, {"retarget": True}, {"scope": ("a",)}])
def test_an_unattended_start_of_a_fresh_file_changes_nothing(work: Work, flags: dict[str, Any]) -> None:
    before = files.everything_else(work.path)

    told = refused(work, configured="model from env M", **flags)

    assert "16 wide (model from env M)" in told
    assert "ai-memory reembed approve" in told
    assert set(files.vectors(work.path).values()) == {None}
    assert files.everything_else(work.path) == before


def test_an_unattended_start_goes_to_the_target_that_was_approved_and_to_no_other(work: Work) -> None:
    files.approve(work.path, OTHER.target)

    refused(work)
    work.embedder = OTHER

    assert work.run(**CRON).exit_code == 0


@pytest.mark.parametrize("flags", [{}, {"retarget": True}, {"yes": True}, {"resume": True, "retarget": True}])
def test_a_run_that_a_person_begins_approves_its_target(work: Work, flags: dict[str, Any]) -> None:
    assert work.run(max_rows=3, batch=3, **flags).exit_code == 75
    with work.store() as store, store.transaction() as transaction:
        assert approvals.is_approved(transaction, work.embedder.target.space, 16)
        runs.cancel(transaction, now_ms=NOW_MS)

    assert work.run(**CRON).exit_code == 0


def test_a_start_by_hand_that_finds_nothing_to_do_approves_its_target(work: Work) -> None:
    files.execute(work.path, "DELETE FROM memories")
    assert work.run().reason == "nothing stale"
    files.add(work.path, "new")

    assert work.run(**CRON).exit_code == 0


def test_an_interrupted_run_is_resumed_without_an_approval(work: Work) -> None:
    work.run(max_rows=3, batch=3)
    files.execute(work.path, "DELETE FROM reembed_approval")

    assert work.run(**CRON).exit_code == 0


def test_the_target_of_the_last_completed_run_is_approved_and_that_of_one_before_is_not(work: Work) -> None:
    first = work.embedder
    work.run()
    work.clock.advance(60)
    work.embedder = OTHER
    work.run(retarget=True)
    files.edit(work.path, "id-000", "edited")

    assert work.run(**CRON).exit_code == 0
    work.embedder = first
    refused(work)


def test_an_approval_given_while_a_run_works_outlives_its_end(work: Work) -> None:
    work.run(max_rows=3, batch=3)
    work.clock.advance(60)
    files.approve(work.path, OTHER.target, now_ms=work.clock.now_ms())
    work.run(resume=True)
    work.embedder = OTHER

    assert work.run(**CRON).exit_code == 0


def test_a_run_that_is_gone_on_with_by_an_unattended_start_towards_another_target_needs_an_approval(work: Work) -> None:
    work.run(max_rows=3, batch=3)
    work.embedder = OTHER

    refused(work, retarget=True)


def test_where_the_width_is_not_configured_the_approval_tells_it(work: Work) -> None:
    files.approve(work.path, work.embedder.target)
    work.embedder = HashEmbedder(dim_known=False)

    assert work.run(**CRON).exit_code == 0


def test_a_run_over_what_only_the_endpoint_could_tell_is_approved_once_it_has(work: Work) -> None:
    work.embedder = HashEmbedder(dim_known=False)
    assert work.run(max_rows=3, batch=3).exit_code == 75

    assert files.execute(work.path, "SELECT dim, how FROM reembed_approval") == [(16, "by hand")]


def test_what_was_begun_by_hand_and_never_answered_is_gone_on_to_once_it_answers(work: Work) -> None:
    def no_model(_texts: object) -> None:
        raise WrongTarget("no such model")

    work.embedder = HashEmbedder(dim_known=False, before=no_model)
    assert work.run().exit_code == 3
    work.embedder.before = None

    assert work.run(**CRON).exit_code == 0
    assert work.all_right()
