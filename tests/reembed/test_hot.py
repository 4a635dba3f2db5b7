"""`--order hot`: what is read often and lately comes first; the list only saves time, the rows are the truth."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ai_memory.errors import CredentialsRefused, UsageError
from ai_memory.reembed.plan.census import take_census
from ai_memory.reembed.sweep import passes
from ai_memory.stores.sqlite import hot_list, runs
from ai_memory.stores.sqlite.fingerprints import read_fingerprint
from ai_memory.stores.values import HOT, NAMESPACE, Counted, Run
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.reembed.test_job import Swapped, failing_after
from tests.reembed.work import Work
from tests.support import files
from tests.support.fakes import HashEmbedder

READS = {"id-007": 90, "id-002": 60, "id-005": 30, "id-009": 10}
"""The rows that are read, the hottest first."""
BY_NAMESPACE = ["id-000", "id-002", "id-004", "id-006", "id-008", "id-001", "id-003", "id-005", "id-007", "id-009"]
HOTTEST_FIRST = [*READS, *(each for each in BY_NAMESPACE if each not in READS)]
DENIED = CredentialsRefused("no")


@pytest.fixture(autouse=True)
def reads(work: Work) -> None:
    for row_id, times in READS.items():
        files.note_reads(work.path, row_id, times)


def heard_by(work: Work) -> list[str]:
    """Return the ids of the rows in the order in which their texts are first sent from now on."""
    ids = {text: row_id for row_id, text in files.texts(work.path).items()}
    sent: list[str] = []

    def before(texts: Sequence[str]) -> None:
        sent.extend(ids[text] for text in texts if text not in WITNESS_TEXTS and ids[text] not in sent)

    work.embedder.before = before
    return sent


def run_of(work: Work) -> Run:
    with work.store() as store:
        found = runs.recent_runs(store, 1)[0]
    assert found is not None
    return found


def counted(work: Work) -> Counted:
    found = run_of(work).counted
    assert found is not None
    return found


def by_census(work: Work) -> tuple[int, int]:
    """Return the reads of all rows, and of those that have not the target's vector."""
    with work.store() as store:
        run = runs.recent_runs(store, 1)[0]
        assert run is not None
        census = take_census(store, read_fingerprint(store, run.target), run.scope, now_ms=work.clock.ms)
    return census.reads, census.reads - census.answered


def listed(work: Work) -> list[str] | None:
    with work.store() as store:
        return hot_list.listed(store, run_of(work))


@pytest.mark.parametrize(
    ("order", "sent_in"), [(None, BY_NAMESPACE), ("namespace", BY_NAMESPACE), ("hot", HOTTEST_FIRST)]
)
def test_hot_rows_come_first_where_that_is_asked_for(work: Work, order: str | None, sent_in: list[str]) -> None:
    sent = heard_by(work)

    ended = work.run(batch=3, order=order)

    assert sent == sent_in
    assert (ended.exit_code, ended.reembedded, ended.raced, ended.passes) == (0, 10, 0, 1)
    assert work.all_right()


def test_a_run_goes_on_in_its_order_from_where_its_list_was(work: Work) -> None:
    work.run(batch=1, max_rows=2, order="hot")
    sent = heard_by(work)
    assert listed(work) == ["id-005", "id-009"]

    ended = work.run(batch=1, resume=True)

    assert sent == HOTTEST_FIRST[2:]
    assert (ended.exit_code, ended.reembedded, work.all_right()) == (0, 8, True)


def test_no_row_of_the_list_is_met_twice_in_a_walk(work: Work) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-007", "POISON")
    files.edit(work.path, "id-002", " ")
    files.execute(work.path, "UPDATE memories SET title = '' WHERE id = 'id-002'")

    ended = work.run(batch=1, order="hot")

    assert (ended.exit_code, ended.quarantined, ended.skipped, ended.reembedded) == (10, 2, 2, 8)
    assert run_of(work).counters.already_current == 0


def test_the_list_is_frozen_and_what_becomes_hot_meanwhile_waits_for_its_turn(work: Work) -> None:
    work.run(batch=1, max_rows=1, order="hot")
    files.note_reads(work.path, "id-006", 1_000)
    sent = heard_by(work)

    work.run(batch=1, resume=True)

    assert sent == HOTTEST_FIRST[1:]


def test_rows_that_are_gone_moved_or_expired_since_the_list_was_frozen_are_passed_over(work: Work) -> None:
    work.run(batch=1, max_rows=1, order="hot")
    files.execute(work.path, "DELETE FROM memories WHERE id = 'id-002'")
    files.execute(work.path, "UPDATE memories SET namespace = '_messages/a' WHERE id = 'id-005'")
    files.execute(work.path, "UPDATE memories SET expires_at = '2020-01-01T00:00:00Z' WHERE id = 'id-009'")
    sent = heard_by(work)

    ended = work.run(batch=1, resume=True)

    assert sent == [each for each in HOTTEST_FIRST[1:] if each not in READS]
    assert (ended.exit_code, ended.remaining) == (0, 0)


def test_only_named_namespaces_are_listed(work: Work) -> None:
    sent = heard_by(work)

    work.run(batch=1, order="hot", scope=("a",))

    assert sent == ["id-002", "id-000", "id-004", "id-006", "id-008"]


def test_a_hot_row_that_is_edited_in_flight_gets_its_vector_in_a_second_pass(work: Work) -> None:
    def edit(texts: Sequence[str]) -> None:
        if any("the content of id-007" in text for text in texts):
            files.edit(work.path, "id-007", "edited")

    work.embedder.before = edit

    ended = work.run(batch=1, order="hot")

    assert (ended.exit_code, ended.raced, ended.passes, work.all_right()) == (0, 1, 2, True)


def test_twins_in_the_list_and_behind_it_are_sent_once(work: Work) -> None:
    files.execute(work.path, "UPDATE memories SET title = id || 'x', content = 'same'")
    files.execute(work.path, "DROP INDEX idx_memories_title_ns")
    files.execute(work.path, "UPDATE memories SET title = 'twin' WHERE id IN ('id-007', 'id-000', 'id-002')")

    ended = work.run(batch=2, order="hot")

    assert (ended.exit_code, ended.reembedded, ended.identical, work.all_right()) == (0, 10, 2, True)


def test_where_nobody_counts_reads_the_order_is_that_of_the_namespaces(work: Work) -> None:
    files.execute(work.path, "UPDATE memories SET access_count = 0")
    sent = heard_by(work)

    work.run(batch=3, order="hot")

    assert sent == BY_NAMESPACE


def test_the_list_is_bounded_and_the_rest_comes_by_namespace(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "HOT_ROWS", 2)
    sent = heard_by(work)

    work.run(batch=1, order="hot")

    assert sent == ["id-007", "id-002", *(each for each in BY_NAMESPACE if each not in ("id-007", "id-002"))]


def test_no_list_is_kept_of_a_run_that_is_done(work: Work) -> None:
    work.run(order="hot")

    assert files.execute(work.path, "SELECT count(*) FROM reembed_hot") == [(0,)]


def test_no_list_is_kept_of_a_run_that_was_given_up(work: Work) -> None:
    work.run(batch=1, max_rows=1, order="hot")
    work.run(batch=1, max_rows=1, order="namespace", retarget=True)

    assert files.execute(work.path, "SELECT count(*) FROM reembed_hot") == [(0,)]


@pytest.mark.parametrize(("begun", "asked"), [("hot", "namespace"), (None, "hot")])
def test_resume_cannot_give_a_run_another_order(work: Work, begun: str | None, asked: str) -> None:
    work.run(batch=1, max_rows=1, order=begun)

    with pytest.raises(UsageError, match=f"was begun with --order {begun or NAMESPACE}"):
        work.run(resume=True, order=asked)


def test_a_run_may_be_started_over_in_another_order(work: Work) -> None:
    work.run(batch=1, max_rows=1)
    sent = heard_by(work)

    ended = work.run(batch=1, retarget=True, order="hot")

    assert (ended.run_id, run_of(work).order, sent) == (2, HOT, [each for each in HOTTEST_FIRST if each != "id-000"])


def test_a_run_that_is_gone_on_with_by_retarget_keeps_its_order(work: Work) -> None:
    work.run(batch=1, max_rows=1, order="hot")

    assert work.run(batch=1, retarget=True).run_id == 1


def test_a_run_of_a_release_before_goes_on_by_namespace(work: Work) -> None:
    work.run(batch=1, max_rows=3)
    files.execute(work.path, "DROP TABLE reembed_hot")
    files.execute(work.path, "DROP TABLE reembed_hot_list")
    for column in ("walk_order", "reads", "reads_left"):
        files.execute(work.path, f"ALTER TABLE reembed_run DROP COLUMN {column}")
    files.execute(work.path, "DELETE FROM reembed_migration WHERE name LIKE '%hot%'")
    sent = heard_by(work)

    ended = work.run(batch=1, resume=True)

    assert (sent, ended.exit_code, run_of(work).order) == (BY_NAMESPACE[3:], 0, NAMESPACE)


def test_stamped_rows_of_the_list_are_taken_as_they_are(work: Work) -> None:
    work.run()
    files.execute(work.path, "DELETE FROM embedding_provenance")

    ended = work.run(order="hot", skip_current=True)

    assert (ended.exit_code, ended.attested, ended.reembedded) == (0, 10, 0)
    assert (counted(work).reads, counted(work).reads_left) == (190, 0)


@pytest.mark.parametrize("order", ["hot", "namespace"])
@pytest.mark.parametrize("max_rows", [1, 3, 4, 7])
def test_after_every_commit_the_reads_are_what_a_census_finds(work: Work, order: str, max_rows: int) -> None:
    work.run(batch=2, max_rows=max_rows, order=order)

    found = counted(work)
    assert (found.reads, found.reads_left) == by_census(work)
    assert found.reads == sum(READS.values())


def test_what_is_in_quarantine_is_not_answered(work: Work) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-002", "POISON")

    work.run(order="hot")

    assert (counted(work).reads, counted(work).reads_left) == by_census(work) == (190, 60)


@pytest.mark.parametrize("at", [4, 6, 14])
def test_rows_that_are_taken_back_are_not_answered_any_more(work: Work, at: int) -> None:
    work.embedder = Swapped(at=at)

    ended = work.run(batch=2, order="hot")

    assert ended.exit_code == 78
    assert (counted(work).reads, counted(work).reads_left) == by_census(work)


def test_after_an_outage_the_list_stands_where_the_last_commit_was(work: Work) -> None:
    work.embedder = failing_after(4, DENIED)
    work.run(batch=1, order="hot")
    done = [each for each, blob in files.vectors(work.path).items() if blob]
    work.embedder = HashEmbedder()

    assert listed(work) == [each for each in READS if each not in done]
    assert work.run(resume=True).exit_code == 0
    assert work.all_right()
