"""Rows whose own database refuses the vector, or takes it back: quarantined, paid for once at most, in nobody's way."""

from __future__ import annotations

import pytest

from ai_memory.errors import DataRefused
from ai_memory.reembed.inspect.quarantined import quarantined_rows
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.dry_run import dry_run
from ai_memory.reembed.sweep.stamp import stamp
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite.database import reading
from ai_memory.stores.values import Quarantined
from tests.reembed.work import NOW_MS, Work
from tests.stores.sqlite.test_rehearsal import REFUSING, WORDS, forbid
from tests.support import files
from tests.support.fakes import HashEmbedder

ALL = "CREATE TRIGGER hold BEFORE UPDATE ON memories BEGIN SELECT RAISE({}); END"
RUNS = "SELECT count(*) FROM reembed_run"


def sent(work: Work) -> int:
    return work.embedder.meter.spent.texts_sent


def quarantined(work: Work) -> list[Quarantined]:
    with work.store() as store:
        return [each.entry for each in quarantined_rows(store)]


@pytest.mark.parametrize("name", REFUSING)
def test_a_row_that_the_database_refuses_harms_only_itself_and_is_paid_for_once(work: Work, name: str) -> None:
    work.run()
    before = files.vectors(work.path)
    forbid(work.path, name)
    work.embedder = HashEmbedder(model="other")

    ended = work.run(batch=4)

    assert (ended.exit_code, ended.reembedded, ended.quarantined, ended.passes) == (10, 9, 1, 1)
    assert [(each.id, each.kind, each.message) for each in quarantined(work)] == [
        ("id-001", "unwritable", f"its vector cannot be written: {WORDS[name]}")
    ]
    assert files.vectors(work.path)["id-001"] == before["id-001"]
    paid = sent(work)
    again = work.run(resume=True, or_start=True)
    assert (again.exit_code, again.reason, sent(work)) == (10, "nothing stale", paid)


@pytest.mark.parametrize("name", REFUSING)
def test_a_refused_row_is_done_when_the_database_takes_it_again(work: Work, name: str) -> None:
    forbid(work.path, name)
    work.run()
    files.execute(work.path, "DROP TRIGGER hold")

    ended = work.run(retry_quarantined=True)

    assert (ended.exit_code, ended.reembedded, work.all_right()) == (0, 1, True)


def test_the_first_row_that_is_refused_is_not_paid_for_at_all(work: Work) -> None:
    files.execute(work.path, "DELETE FROM memories WHERE id = 'id-000'")
    files.execute(work.path, "UPDATE memories SET namespace = 'a' WHERE id = 'id-001'")
    forbid(work.path, "abort")

    ended = work.run()

    assert (ended.exit_code, ended.reembedded, ended.skipped) == (10, 8, 1)
    # Eight rows, three of them again, the three texts of the witness at the start, and the same at the end.
    assert sent(work) == 8 + 3 + 3 + 3


@pytest.mark.parametrize("how", ["ABORT, 'legal hold'", "ROLLBACK, 'legal hold'", "IGNORE"])
def test_where_every_row_is_refused_no_text_is_sent_and_no_run_begun(work: Work, how: str) -> None:
    files.execute(work.path, ALL.format(how))

    with pytest.raises(DataRefused, match=r"takes no vector in any of 10 rows\. The first is id-000: its") as refusal:
        work.run()

    assert (refusal.value.exit_code, sent(work), files.execute(work.path, RUNS)) == (65, 0, [(0,)])
    assert not work.told


def test_where_only_the_endpoint_tells_the_width_the_refusal_costs_the_probe_alone(work: Work) -> None:
    files.execute(work.path, ALL.format("ABORT, 'legal hold'"))
    work.embedder = HashEmbedder(dim_known=False)

    ended = work.run()

    assert (ended.exit_code, sent(work)) == (65, 3)
    assert "takes no vector in any of 10 rows" in ended.error


def test_the_last_rows_that_are_left_are_not_taken_for_all(work: Work) -> None:
    forbid(work.path, "abort")
    work.run(batch=1, max_rows=1)
    files.execute(work.path, "DELETE FROM memories WHERE id NOT IN ('id-000', 'id-001')")

    ended = work.run(resume=True)

    assert (ended.exit_code, ended.quarantined, ended.reembedded) == (10, 1, 0)


def test_a_trigger_that_needs_what_only_the_application_has_is_told_before_a_text_is_paid_for(work: Work) -> None:
    files.execute(work.path, "CREATE TRIGGER audit AFTER UPDATE ON memories BEGIN SELECT my_app_audit(new.id); END")
    words = "takes no vector: its trigger audit: no such function: my_app_audit. No text was sent"

    with pytest.raises(DataRefused, match=words):
        work.run()
    with reading(work.path) as store, pytest.raises(DataRefused, match=words):
        dry_run(database(work.path), store, work.embedder.target, Options(), now_ms=NOW_MS)

    assert (sent(work), files.execute(work.path, RUNS)) == (0, [(0,)])


def test_a_twin_of_a_refused_row_gets_the_vector_of_its_text(work: Work) -> None:
    files.execute(work.path, "UPDATE memories SET content = 'same' WHERE id IN ('id-001', 'id-004')")
    files.execute(work.path, "UPDATE memories SET title = 'same' WHERE id IN ('id-001', 'id-004')")
    forbid(work.path, "abort")

    ended = work.run()

    assert (ended.exit_code, ended.reembedded, ended.quarantined) == (10, 9, 1)
    assert files.vectors(work.path)["id-004"] is not None


def test_a_text_that_the_endpoint_refuses_too_is_told_as_the_endpoints(work: Work) -> None:
    forbid(work.path, "abort")
    files.execute(work.path, "UPDATE memories SET title = 'poison' WHERE id = 'id-003'")
    work.embedder = HashEmbedder(poison="poison")

    work.run()

    assert {each.id: each.kind for each in quarantined(work)} == {"id-001": "unwritable", "id-003": "refused"}


def test_a_stamp_that_the_database_refuses_is_left_and_the_others_are_taken(work: Work) -> None:
    work.run()
    files.execute(work.path, "DELETE FROM embedding_provenance")
    forbid(work.path, "abort")

    with work.store() as store:
        found = stamp(store, work.embedder.target, None, SweepTools(work.clock, work.stop, lambda _: None))

    assert (found.stamped, found.refused) == (9, 1)
    assert "The database refuses 1 more." in found.text()


def test_a_stamp_that_the_database_refuses_is_quarantined_by_a_run_that_skips_the_present_space(work: Work) -> None:
    work.run()
    files.execute(work.path, "DELETE FROM embedding_provenance")
    forbid(work.path, "rollback")

    ended = work.run(skip_current=True)

    assert (ended.exit_code, ended.attested, ended.quarantined) == (10, 9, 1)


def test_vectors_that_are_all_written_over_at_once_end_the_run_after_one_pass(work: Work) -> None:
    # By a trigger that sees the end of a page, which no reading back of a row can.
    undo = "UPDATE memories SET embedding = x'01' WHERE embedding IS NOT x'01'"
    files.execute(work.path, f"CREATE TRIGGER late AFTER UPDATE OF reembedded ON reembed_run BEGIN {undo}; END")

    ended = work.run()

    assert (ended.exit_code, ended.reason, ended.passes) == (75, "churn", 1)
    assert "10 of them with a vector that is not the one they were given" in ended.error
