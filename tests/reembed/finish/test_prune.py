"""A prune on a real file that ends before its end: what a rollback says and does from then on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ai_memory.errors import OperatorNeeded, Stopped
from ai_memory.reembed.finish.prune import Prune, Pruned
from ai_memory.reembed.inspect.read_status import read_status
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.tools import SweepTools
from ai_memory.show.narrator import Narrator
from ai_memory.stores.opening import database
from ai_memory.stores.values import Span
from tests.reembed.finish.test_rollback import NEW, OLD, THIRD, rollback, vectors
from tests.reembed.work import Work
from tests.support import files

ROWS = 12


class After(Stop):
    """A signal that comes after so many pages of a prune."""

    def __init__(self, pages: int) -> None:
        super().__init__()
        self.pages = pages

    def requested(self) -> bool:
        self.pages -= 1
        return self.pages < 0


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A file whose vectors are the old model's."""
    work = Work(files.create(tmp_path / "m.db", rows=ROWS), OLD)
    assert work.run(keeps_previous=False).exit_code == 0
    return replace(work, embedder=NEW)


def chain(work: Work) -> Work:
    """Begin a run, and bring the file to a third model instead: runs 2 and 3."""
    assert work.run(max_rows=8).exit_code == 75
    third = replace(work, embedder=THIRD)
    assert third.run(retarget=True).exit_code == 0
    return third


def prune(work: Work, *, pages: int | None = None) -> Pruned:
    """Drop what is kept, at most so many pages of three rows."""
    stop = Stop() if pages is None else After(pages)
    tools = SweepTools(work.clock, stop, Narrator(work.heard))
    return Prune(database(work.path), tools, lambda _: None, batch=3).run()


def way_back(work: Work) -> Any:  # noqa: ANN401 - a span or nothing
    with work.store() as store:
        status = read_status(database(work.path), store, now_ms=work.clock.ms)
    assert status
    return status.way_back


@pytest.mark.parametrize("pages", range(1, 7))
def test_of_a_chain_of_which_a_part_is_dropped_nothing_is_undone_and_it_is_said(work: Work, pages: int) -> None:
    third = chain(work)
    after = vectors(work)
    with pytest.raises(Stopped):
        prune(third, pages=pages)

    for run_id in (None, 2, 3):
        with pytest.raises(OperatorNeeded, match="was pruned"):
            rollback(third, run_id=run_id)
    assert (vectors(work), way_back(third)) == (after, None)


def test_before_the_first_page_is_dropped_all_of_it_can_be_undone(work: Work) -> None:
    before = vectors(work)
    third = chain(work)
    with pytest.raises(Stopped):
        prune(third, pages=0)

    assert (way_back(third), rollback(third).put_back) == (Span(2, 3), ROWS)
    assert vectors(work) == before


def test_the_rest_is_dropped_by_the_next_prune(work: Work) -> None:
    third = chain(work)
    with pytest.raises(Stopped):
        prune(third, pages=2)

    rest = prune(third)

    assert (rest.rows, rest.kept_rows) == (8 + ROWS - 6, 0)
    assert files.execute(work.path, "SELECT count(*) FROM embedding_previous") == [(0,)]


def test_a_run_after_one_that_was_pruned_is_undone_alone(work: Work) -> None:
    assert work.run().exit_code == 0
    prune(work)
    before, third = vectors(work), replace(work, embedder=THIRD)
    assert third.run().exit_code == 0

    with pytest.raises(OperatorNeeded, match="What run 2 replaced was pruned") as refused:
        rollback(third, run_id=2)

    assert "ai-memory reembed rollback" in refused.value.tip
    assert (rollback(third).undoes, vectors(work)) == ((3, 3), before)


def test_a_run_after_one_that_kept_nothing_is_undone_alone(work: Work) -> None:
    assert work.run().exit_code == 0

    with pytest.raises(OperatorNeeded, match=r"What run 1 replaced was not kept \(--no-undo\)"):
        rollback(work, run_id=1)

    assert rollback(work).undoes == (2, 2)


def test_what_was_undone_is_dropped_and_does_not_stand_in_the_way_of_an_earlier_run(work: Work) -> None:
    before = vectors(work)
    assert work.run().exit_code == 0
    third = replace(work, embedder=THIRD)
    assert third.run().exit_code == 0
    assert rollback(third).undoes == (3, 3)

    assert rollback(third, run_id=2).undoes == (2, 3)

    assert vectors(work) == before


def test_a_staged_run_that_was_given_up_does_not_stand_in_the_way_of_the_run_before_it(work: Work) -> None:
    before = vectors(work)
    assert work.run().exit_code == 0
    third = replace(work, embedder=THIRD)
    assert third.run(staged=True, max_rows=4).exit_code == 75
    with work.store() as store, store.transaction() as transaction:
        transaction.runs.cancel(now_ms=work.clock.ms)

    assert rollback(third).undoes == (2, 2)

    assert vectors(work) == before


def test_a_staged_run_that_was_superseded_does_not_break_the_chain(work: Work) -> None:
    before = vectors(work)
    assert work.run(max_rows=8).exit_code == 75
    third = replace(work, embedder=THIRD)
    assert third.run(retarget=True, staged=True, max_rows=4).exit_code == 75
    assert work.run(retarget=True).exit_code == 0

    assert rollback(work).undoes == (2, 4)

    assert vectors(work) == before
