"""What a start takes from what was kept is planned as that: not as texts to be sent, paid for and waited for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ai_memory.commands.reembed.plan_lines import dry_run_lines, preflight_lines
from ai_memory.reembed.doubt import most_asked
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.dry_run import DryRun, dry_run
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite.database import reading
from tests.reembed.finish.test_rollback import NEW, OLD, rollback
from tests.reembed.sweep.test_needed import kill
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder

ROWS = 30


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A file of the old model's vectors."""
    work = Work(files.create(tmp_path / "m.db", rows=ROWS), OLD)
    assert work.run().exit_code == 0
    work.clock.advance(1)
    return replace(work, embedder=NEW)


@pytest.fixture
def undone(work: Work) -> Work:
    """The same file, of which the vectors of the new model were undone."""
    assert work.run().exit_code == 0
    assert rollback(work).exit_code == 0
    return work


def planned(work: Work) -> DryRun:
    with reading(work.path) as store:
        options = Options(price=1_000_000.0)
        return dry_run(database(work.path), store, work.embedder.target, options, now_ms=work.clock.ms)


def test_rows_that_get_what_was_kept_of_them_are_told_apart_from_those_that_are_embedded(undone: Work) -> None:
    files.edit(undone.path, "id-003", "edited since")

    found = planned(undone)
    ran = undone.run()

    assert (found.values()["rows_to_embed"], found.values()["rows_to_take_again"]) == (1, ROWS - 1)
    assert (ran.reembedded - ran.taken_again, ran.taken_again) == (1, ROWS - 1)
    assert f"1 of {ROWS} rows will be embedded, {ROWS - 1} get the vectors that were kept of them; their vectors" in (
        "\n".join(preflight_lines(undone.told[-1]))
    )
    assert preflight_lines(found.preflight) == preflight_lines(undone.told[-1])


def test_no_token_no_money_and_no_time_is_planned_for_what_was_kept(work: Work) -> None:
    before = planned(work)
    work.run()
    rollback(work)

    after = planned(work)

    assert before.estimated_tokens > 0
    assert (after.estimated_tokens, after.estimated_cost) == (0, 0)
    assert after.estimate is None or after.estimate.seconds == 0
    lines = "\n".join(dry_run_lines(after))
    assert f"Would embed 0 of {ROWS} rows, about 0 tokens" in lines
    assert f"{ROWS} rows would get the vectors that were kept of them: no text of theirs is sent." in lines
    assert "It would take" not in lines


def test_what_nobody_saw_to_be_right_is_planned_to_be_asked_for_again(work: Work) -> None:
    kill(work, 15)
    work.embedder = NEW
    taken = len([each for each in files.vectors(work.path).values() if each and len(each) == 65])
    rollback(work)

    found = planned(work).values()

    assert taken > 0
    assert (found["rows_to_take_again"], found["rows_in_doubt"]) == (taken, taken)
    assert found["texts_asked_again"] == most_asked(taken)
    work.run()
    assert work.all_right()
    assert f"{taken} rows were written in a start that was cut off" in "\n".join(preflight_lines(work.told[-1]))


def test_of_a_target_that_was_never_here_nothing_is_at_hand(work: Work) -> None:
    found = planned(replace(work, embedder=HashEmbedder(dim=4, model="another"))).values()

    assert (found["rows_to_embed"], found["rows_to_take_again"]) == (ROWS, 0)
