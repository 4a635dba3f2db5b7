"""A start that goes on with a run goes by what the run noted of its rows, where that is enough: nothing is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from ai_memory.reembed.plan.as_noted import BLOCK, BLOCKS, as_noted
from ai_memory.reembed.plan.census import Census, take_census
from ai_memory.reembed.sweep.refusal_guard import REFUSED_ROWS, REFUSED_SHARE
from ai_memory.stores.sqlite import walk
from ai_memory.vectors.blob import encode
from tests.machine.invocation import traced
from tests.reembed.finish.test_rollback import NEW, OLD, rollback
from tests.reembed.work import NOW_MS, Work, known
from tests.support import files, shapes
from tests.support.fakes import HashEmbedder

ROWS = 40
INSERT_MANY = """
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})
    INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at)
    SELECT printf('new-%05d', n), 'mid', 'a', 'note ' || n, iif(n <= {refused}, 'poison', 'fine'), '2026', '2026'
    FROM number
"""
EVERY_ROW = " ".join(walk.ALL_ROWS.split("{rows}")[1].split("{within}")[0].split())
"""How the statement that reads all rows ends."""


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A run over a file of the old model's vectors, stopped at half of the rows."""
    work = Work(files.create(tmp_path / "m.db", rows=ROWS), OLD)
    assert work.run().exit_code == 0
    work = replace(work, embedder=NEW)
    assert work.run(max_rows=ROWS // 2, batch=5).exit_code == 75
    return work


def noted(work: Work) -> Census | None:
    with work.store() as store:
        run, target = store.runs.unfinished(), known(store, work.embedder)
        assert run is not None
        assert target is not None
        return as_noted(store, run, target)


def counted(work: Work) -> Census:
    with work.store() as store:
        return take_census(store, known(store, work.embedder), None, now_ms=NOW_MS)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Yield what is run on connections that are opened meanwhile."""
    found: list[str] = []

    def heard(_cursor: apsw.Cursor, sql: str, _bindings: object) -> bool:
        found.append(" ".join(sql.split()))
        return True

    with traced(lambda connection: setattr(connection, "exec_trace", heard)):
        yield found


def test_a_run_that_goes_on_counts_all_rows_at_its_end_only(work: Work) -> None:
    with statements() as heard:
        assert work.run(resume=True).exit_code == 0

    written = [place for place, sql in enumerate(heard) if sql.startswith("UPDATE memories SET embedding")]
    looked = [place for place, sql in enumerate(heard) if EVERY_ROW in sql]
    assert looked
    assert written[-1] < looked[0]
    assert work.all_right()


def test_what_is_noted_is_what_a_census_counts(work: Work) -> None:
    found, true = noted(work), counted(work)

    assert found
    for name in ("live", "fresh", "stale", "quarantined", "to_embed", "to_replace", "bytes_to_keep", "unaddressable"):
        assert getattr(found, name) == getattr(true, name), name
    assert set(found.first_stale) <= set(true.first_stale + [f"id-{each:03}" for each in range(ROWS)])
    assert found.live_by_namespace.keys() == true.live_by_namespace.keys()


def test_a_start_that_ends_early_reports_the_rows_that_are_left(work: Work) -> None:
    ended = work.run(resume=True, max_rows=5, batch=5)

    assert (ended.exit_code, ended.total, ended.remaining, ended.already_current) == (75, ROWS, 15, 20)
    assert ended.remaining == counted(work).stale


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM memories WHERE namespace = 'b'",
        "UPDATE reembed_run SET remaining = 0 WHERE state = 'running'",
        "UPDATE reembed_run SET counted_at = NULL WHERE state = 'running'",
    ],
)
def test_rows_are_counted_where_the_notes_do_not_show_that_there_is_work(work: Work, change: str) -> None:
    # All of "a" is done, and none of "b".
    files.execute(work.path, change)

    assert noted(work) is None
    assert work.run(resume=True).exit_code == 0
    assert work.all_right()


def test_rows_are_counted_where_vectors_of_the_target_are_at_hand(work: Work) -> None:
    assert work.run(resume=True).exit_code == 0
    assert rollback(work).exit_code == 0
    assert work.run(max_rows=5, batch=5).exit_code == 75

    assert noted(work) is None
    assert work.run(resume=True).taken_again == ROWS - 5


def test_rows_are_counted_where_the_next_stale_one_is_far_ahead(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", rows=BLOCK * BLOCKS + 20, namespaces=("a",)))
    assert work.run(max_rows=5, batch=5).exit_code == 75
    assert noted(work)
    files.execute(work.path, "UPDATE memories SET expires_at = '2001-01-01T00:00:00+00:00' WHERE id < 'id-999'")

    assert noted(work) is None


def test_vectors_that_others_wrote_over_between_two_starts_are_no_churn(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", rows=10, namespaces=("a",)))
    assert work.run(max_rows=5, batch=5).exit_code == 75
    with work.store() as store:
        other = encode(OLD.vector("another program's"))
        store.db.execute("UPDATE memories SET embedding = ? WHERE id < 'id-005'", (other,))

    ended = work.run(resume=True)

    assert (ended.exit_code, ended.passes) == (0, 2)
    assert work.all_right()


def test_rows_that_came_since_count_where_the_refused_ones_are_too_many(tmp_path: Path) -> None:
    work = Work(files.create(tmp_path / "m.db", rows=10), HashEmbedder(poison="poison"))
    assert work.run(max_rows=5, batch=5).exit_code == 75
    refused, came = REFUSED_ROWS + 5, round((REFUSED_ROWS + 10) / REFUSED_SHARE)
    with work.store() as store:
        store.db.execute(INSERT_MANY.format(count=came, refused=refused))

    ended = work.run(resume=True)

    assert (ended.exit_code, ended.quarantined, ended.total) == (10, refused, came + 10)


def test_rows_without_an_id_are_reported_by_a_start_that_goes_on(tmp_path: Path) -> None:
    shape = shapes.build(tmp_path / "foreign.db", 101, kinds={shapes.PLAIN, shapes.NULL_ID})
    work = Work(shape.path)
    work.run(max_rows=1, batch=1)

    assert noted(work)
    assert work.run(resume=True, max_rows=1, batch=1).unaddressable == 1
