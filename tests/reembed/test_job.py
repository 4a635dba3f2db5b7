"""Whole invocations on real files: starts, endings, outages, other writers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ai_memory.errors import (
    Breakdown,
    CredentialsRefused,
    EmbedError,
    NotFinished,
    NotFound,
    OperatorNeeded,
    QuotaExhausted,
    RowsRefused,
    TargetChanged,
    TransientFailure,
    UsageError,
    WrongTarget,
)
from ai_memory.reembed.doubt import AT_END
from ai_memory.reembed.inspect.read_status import read_status
from ai_memory.reembed.sweep import asking
from ai_memory.reembed.sweep.schedule import FIRST
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite import runs
from ai_memory.vectors.blob import encode
from ai_memory.vectors.target import Vectors
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.reembed.work import NOW_MS, Clock, Work
from tests.support import files
from tests.support.fakes import HashEmbedder

START = len(WITNESS_TEXTS)
"""Requests of a first start: the witness texts, one by one."""
FIRST_PAGE = START + 1 + FIRST
"""And those of the first page: its rows, and some of them again one by one."""
COPY = (
    "INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at) "
    "SELECT '{id}', tier, '{namespace}', 'a title', content, created_at, updated_at FROM memories WHERE id = 'id-000'"
)


def failing_after(requests: int, error: EmbedError) -> HashEmbedder:
    """Return an embedder that answers so many requests, then raises."""
    embedder = HashEmbedder()

    def before(_texts: Sequence[str]) -> None:
        if embedder.meter.spent.requests > requests:
            raise error

    embedder.before = before
    return embedder


class ClockEvent(threading.Event):
    """Is never set; to wait for it takes no time but the clock's."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.advance(timeout or 0.0)
        return False


class Retrained(HashEmbedder):
    """Says that it is the same model and is not."""

    __slots__ = ()

    def vector(self, text: str) -> Vectors:
        return HashEmbedder(model="retrained").vector(text)


@dataclass(slots=True)
class Swapped(HashEmbedder):
    """Is retrained, under the same name, after so many requests."""

    at: int = 0

    def vector(self, text: str) -> Vectors:
        return HashEmbedder(model="retrained" if self.meter.spent.requests > self.at else "hash").vector(text)


def states(work: Work) -> list[str]:
    return [row[0] for row in files.execute(work.path, "SELECT state FROM reembed_run ORDER BY run_id")]


def events(work: Work) -> list[str]:
    return [row[0] for row in files.execute(work.path, "SELECT kind FROM reembed_event ORDER BY rowid")]


def test_a_run_to_the_end_leaves_every_row_right(work: Work) -> None:
    ended = work.run(batch=3)

    assert (ended.exit_code, ended.state, ended.reason, ended.reembedded) == (0, "done", "complete", 10)
    # Four pages; three rows of the first are asked again, of each other one, and one of the page before it; at the end
    # one of each page together and AT_END by themselves; the witness behind the first page and once more.
    again = FIRST + 3 + 3 + AT_END
    assert (FIRST + 3 <= ended.asked_again <= 10, ended.disagreed) == (True, 0)
    assert (ended.texts_sent, ended.passes) == (10 + again + 4 + 3 * START, 1)
    assert ended.requests == 4 + again + 1 + START + 2
    assert (work.all_right(), work.heard.rows, work.heard.total, work.heard.ended) == (True, 10, 10, True)
    assert events(work) == ["started", "runner", "written", "done", "ended"]


def test_a_second_run_has_nothing_to_do_and_sends_nothing(work: Work) -> None:
    work.run()
    sent = work.embedder.meter.spent.texts_sent

    again = work.run()

    assert (again.exit_code, again.reason, again.run_id) == (0, "nothing stale", None)
    assert (work.embedder.meter.spent.texts_sent, states(work)) == (sent, ["done"])


def test_the_preflight_is_told_at_every_start_that_goes_to_work(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    work.run(resume=True)
    work.run()

    assert [(told.begins, told.census.stale, told.target.model) for told in work.told] == [
        (True, 10, "hash"),
        (False, 6, "hash"),
    ]


def test_a_preflight_that_is_answered_no_changes_nothing(work: Work) -> None:
    job = work.job()

    def refuse(_told: object) -> None:
        raise UsageError("Nothing was changed.")

    with pytest.raises(UsageError):
        replace(job, disclose=refuse).run()

    assert (states(work), work.embedder.meter.spent.requests) == ([], 0)


def test_an_edit_while_its_text_is_away_is_done_in_a_later_pass(work: Work) -> None:
    edits = iter(["first edit", "second edit"])

    seen = set(WITNESS_TEXTS)

    def edit(texts: Sequence[str]) -> None:
        asked_again = seen.issuperset(texts)
        seen.update(texts)
        if not asked_again and (content := next(edits, None)):
            files.edit(work.path, "id-001", content)

    work.embedder.before = edit
    ended = work.run()

    assert (ended.exit_code, ended.raced, ended.passes) == (0, 2, 3)
    assert work.all_right()


@pytest.mark.parametrize(
    "change",
    [
        COPY.format(id="id", namespace="a"),
        COPY.format(id="new", namespace="born"),
        "DELETE FROM memories WHERE id = 'id-009'",
        "UPDATE memories SET namespace = 'a' WHERE id = 'id-009'",
        "UPDATE memories SET namespace = 'c' WHERE id = 'id-009'",
        "UPDATE memories SET embedding = zeroblob(65), embedding_dim = 16 WHERE id = 'id-000'",
    ],
)
def test_what_others_write_during_the_run_ends_right(work: Work, change: str) -> None:
    def write(texts: Sequence[str]) -> None:
        if "title id-009 the content of id-009" in texts:
            files.execute(work.path, change)
            work.embedder.before = None

    work.embedder.before = write
    ended = work.run(batch=2)

    assert (ended.exit_code, ended.remaining) == (0, 0)
    assert work.all_right()


def test_a_corpus_edited_faster_than_it_is_swept_is_churn(work: Work) -> None:
    edits = 0

    def edit_all(_texts: Sequence[str]) -> None:
        nonlocal edits
        edits += 1
        files.execute(work.path, "UPDATE memories SET content = ? || id", f"edit {edits} ")

    work.embedder.before = edit_all
    ended = work.run(batch=10)

    assert (ended.exit_code, ended.state, ended.passes >= 5) == (75, "running", True)
    assert "churn: after 5 passes 10 rows are stale again" in ended.error
    assert (ended.reason, ended.remaining) == ("churn", 10)


def test_an_outage_marks_no_row_and_opens_the_breaker(work: Work) -> None:
    work.embedder = failing_after(FIRST_PAGE, TransientFailure("the host is gone."))

    ended = work.run(batch=3)

    assert (ended.exit_code, ended.reembedded, ended.quarantined, ended.state) == (75, 3, 0, "running")
    assert "the host is gone" in ended.error
    assert events(work)[-2:] == ["breaker open", "ended"]


def test_what_a_failed_end_cost_is_in_the_run(work: Work) -> None:
    work.embedder = failing_after(FIRST_PAGE, QuotaExhausted("no money."))

    ended = work.run(batch=3)

    with work.store() as store:
        status = read_status(database(work.path), store, now_ms=NOW_MS)
    assert status
    assert (status.run.counters.texts_sent, status.run.counters.requests) == (ended.texts_sent, ended.requests)
    assert ended.reembedded < ended.texts_sent - len(WITNESS_TEXTS)


def test_vain_starts_repeat_the_error_of_the_outage_and_nothing_else(work: Work) -> None:
    work.embedder = failing_after(FIRST_PAGE, TransientFailure("the host is gone."))
    work.run(batch=3)

    refused = [work.run(batch=3, resume=True).error for _ in range(3)]

    error = "The endpoint failed last time (the host is gone); it is asked again in 1 min."
    assert refused == [f"{error} Run the same command again then."] * 3


def test_who_waits_also_waits_for_a_breaker_that_was_open_before(work: Work) -> None:
    work.embedder = failing_after(FIRST_PAGE, TransientFailure("the host is gone."))
    work.run(batch=3)
    work.embedder = HashEmbedder()
    work.stop.event = ClockEvent(work.clock)

    assert work.run(batch=3, resume=True, wait_seconds=59).exit_code == 75
    assert work.run(batch=3, resume=True, wait_seconds=61).exit_code == 0
    assert "Waiting 60 s for the endpoint." in work.heard.lines[-1]


def test_while_the_breaker_is_open_a_start_sends_nothing(work: Work) -> None:
    work.embedder = failing_after(FIRST_PAGE, TransientFailure("the host is gone."))
    work.run(batch=3)
    requests = work.embedder.meter.spent.requests

    ended = work.run(resume=True)

    assert (ended.exit_code, work.embedder.meter.spent.requests) == (75, requests)
    assert "is asked again in 1 min" in ended.error


def test_a_whole_night_of_outage_costs_one_canary_a_start_and_heals_by_itself(work: Work) -> None:
    work.embedder = failing_after(FIRST_PAGE, TransientFailure("the host is gone."))
    work.run(batch=3)
    requests = work.embedder.meter.spent.requests
    for _ in range(10):
        work.clock.advance(20 * 60)
        assert work.run(resume=True, or_start=True).exit_code == 75
    assert work.embedder.meter.spent.requests == requests + 10

    work.embedder = HashEmbedder()
    work.clock.advance(20 * 60)
    ended = work.run(resume=True, or_start=True)

    assert (ended.exit_code, ended.quarantined, work.all_right()) == (0, 0, True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CredentialsRefused("the key was refused."), 77),
        (QuotaExhausted("nothing left."), 69),
        (WrongTarget("the model is gone."), 78),
        (TransientFailure("gone."), 75),
    ],
)
@pytest.mark.parametrize("answered", [START, FIRST_PAGE])
def test_a_failure_of_the_endpoint_keeps_what_was_done_and_marks_nobody(
    work: Work, error: EmbedError, code: int, answered: int
) -> None:
    work.embedder = failing_after(answered, error)

    ended = work.run(batch=4)

    assert (ended.exit_code, ended.quarantined, ended.state) == (code, 0, "running")
    assert ended.reembedded == (4 if answered == FIRST_PAGE else 0)
    work.embedder = HashEmbedder()
    work.clock.advance(3600)
    assert (work.run(resume=True).exit_code, work.all_right()) == (0, True)


def test_a_model_that_is_not_served_at_the_start_leaves_no_run_to_clean_up(work: Work) -> None:
    work.embedder = failing_after(0, WrongTarget("unknown model."))

    assert (work.run().exit_code, states(work)) == (3, ["cancelled"])


def test_an_endpoint_that_refuses_everything_blames_no_row(work: Work) -> None:
    work.embedder = failing_after(START, RowsRefused("no.", http_status=400))

    ended = work.run()

    assert (ended.exit_code, ended.quarantined) == (69, 0)
    assert "even a harmless one" in ended.error


def test_too_many_refused_rows_are_the_endpoints_fault(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 120)
    files.execute(path, "UPDATE memories SET content = 'POISON' WHERE id >= 'id-020'")
    work = Work(path, embedder=HashEmbedder(poison="POISON"))

    ended = work.run(batch=10)

    assert (ended.exit_code, ended.state) == (69, "running")
    assert ended.quarantined is not None
    assert ended.quarantined <= 50
    assert "refused 60 rows of 120" in ended.error


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("swapped_at", [3, 5, 9])
def test_of_other_weights_in_the_middle_of_a_run_no_vector_is_left_standing(
    work: Work, monkeypatch: pytest.MonkeyPatch, batch: int, swapped_at: int
) -> None:
    monkeypatch.setattr(asking, "WITNESS_EVERY", 3)
    work.embedder = Swapped(at=swapped_at if batch == 1 else 3)

    ended = work.run(batch=batch)

    true = {each: encode(HashEmbedder().vector(text)) for each, text in files.texts(work.path).items()}
    found, recorded = files.vectors(work.path), "SELECT memory_id FROM embedding_provenance"
    assert (ended.exit_code, ended.reason, ended.state) == (78, TargetChanged.reason, "running")
    assert all(found[each] == true[each] for (each,) in files.execute(work.path, recorded))
    assert ended.reembedded == len(files.execute(work.path, recorded))
    assert "are stale again" in ended.error

    work.embedder = HashEmbedder()
    assert (work.run(resume=True).exit_code, files.vectors(work.path)) == (0, true)


def test_where_the_database_wants_a_stamp_on_every_vector_those_of_other_weights_are_stale_all_the_same(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "WITNESS_EVERY", 3)
    work.embedder = Swapped(at=5)
    wants = "BEFORE UPDATE OF embedding_space ON memories WHEN new.embedding_space IS NULL"
    files.execute(work.path, f"CREATE TRIGGER stamped {wants} BEGIN SELECT RAISE(ROLLBACK, 'a stamp, please'); END")

    ended = work.run(batch=1)

    assert (ended.exit_code, "are stale again" in ended.error) == (78, True)
    assert ended.reembedded == files.execute(work.path, "SELECT count(*) FROM embedding_provenance")[0][0]


@pytest.mark.parametrize(
    ("error", "code"),
    [(WrongTarget("no such model."), 78), (TransientFailure("down."), 75), (RowsRefused("bad request."), 69)],
)
def test_where_the_witness_cannot_be_had_no_page_behind_it_is_written(
    work: Work, monkeypatch: pytest.MonkeyPatch, error: EmbedError, code: int
) -> None:
    monkeypatch.setattr(asking, "WITNESS_EVERY", 3)

    def refuse_witness(texts: Sequence[str]) -> None:
        if set(texts) <= set(WITNESS_TEXTS) and work.embedder.meter.spent.requests > START + 4:
            raise error

    work.embedder.before = refuse_witness
    ended = work.run(batch=1)

    assert (ended.exit_code, ended.reembedded) == (code, 4)


def test_other_weights_under_the_same_name_are_refused_at_the_resume(work: Work) -> None:
    work.run(batch=2, max_rows=4)
    work.embedder = Retrained()
    before = files.vectors(work.path)

    ended = work.run(resume=True)

    assert (ended.exit_code, "other weights" in ended.error, files.vectors(work.path)) == (78, True, before)


def test_a_run_that_is_cancelled_meanwhile_commits_nothing_more(work: Work) -> None:
    def cancel(texts: Sequence[str]) -> None:
        if "title id-004 the content of id-004" in texts:
            files.execute(work.path, "UPDATE reembed_run SET state = 'cancelled', finished_at = 1")

    work.embedder.before = cancel
    ended = work.run(batch=2)

    assert (ended.exit_code, states(work)) == (12, ["cancelled"])
    assert ended.reembedded <= 2
    assert files.embedded(work.path) == ended.reembedded


def test_a_stop_keeps_the_batches_before_it(work: Work) -> None:
    def stop(texts: Sequence[str]) -> None:
        if "title id-004 the content of id-004" in texts:
            work.stop.ask("SIGTERM", exit_code=143)

    work.embedder.before = stop
    ended = work.run(batch=2)

    assert (ended.exit_code, ended.reason, ended.state) == (143, "SIGTERM", "running")
    assert 4 <= ended.reembedded < 10
    assert ended.reembedded == files.embedded(work.path)


def test_an_outage_that_comes_with_the_stop_is_the_stop(work: Work) -> None:
    def stop(texts: Sequence[str]) -> None:
        if texts[0] not in WITNESS_TEXTS:
            work.stop.ask("SIGINT", exit_code=130)
            raise TransientFailure("the wait was ended.")

    work.embedder.before = stop
    ended = work.run(batch=2)

    assert (ended.exit_code, ended.error) == (130, "")
    assert "breaker open" not in events(work)


def test_max_rows_counts_what_is_sent_and_not_what_is_passed(work: Work) -> None:
    work.run(scope=("a",))

    ended = work.run(max_rows=3, batch=2)

    assert (ended.exit_code, ended.reason, ended.reembedded, ended.remaining) == (75, "max-rows", 3, 2)
    assert work.run(resume=True, max_rows=2).exit_code == 0


def test_identical_texts_are_sent_once(work: Work) -> None:
    files.execute(work.path, "UPDATE memories SET title = 'same', content = 'text' WHERE id IN ('id-000', 'id-001')")

    ended = work.run()

    assert (ended.reembedded, ended.identical, ended.texts_sent) == (10, 1, 9 + FIRST + 2 * START)
    assert work.all_right()


def test_a_width_that_nobody_told_is_the_probes(work: Work) -> None:
    work.embedder.dim_known = False

    ended = work.run()

    assert (ended.exit_code, ended.dim) == (0, 16)
    again = work.run()
    assert (again.exit_code, again.requests) == (0, 0)


def test_a_run_to_another_width_of_the_same_space_embeds_every_row(work: Work) -> None:
    work.run()
    work.embedder = HashEmbedder(dim=8)

    ended = work.run(skip_current=True)

    assert (ended.exit_code, ended.reembedded, ended.attested) == (0, 10, 0)
    assert work.all_right()


def test_retarget_supersedes_and_skips_what_is_at_the_new_target(work: Work) -> None:
    work.run(scope=("a",))
    done, work.embedder = work.embedder, HashEmbedder(model="other")
    work.run(scope=("b",), batch=2, max_rows=2)
    work.embedder = done
    with pytest.raises(TargetChanged, match=r"space: 'fake/other#none' -> 'fake/hash#none'"):
        work.run(resume=True)

    ended = work.run(retarget=True)

    assert (ended.exit_code, ended.reembedded, ended.already_current) == (0, 5, 5)
    assert states(work) == ["done", "superseded", "done"]
    assert work.all_right()


def test_retarget_over_other_namespaces_is_a_run_of_its_own(work: Work) -> None:
    work.run(scope=("a",), batch=2, max_rows=2)

    ended = work.run(scope=("b",), retarget=True)

    assert (ended.exit_code, ended.reembedded, states(work)) == (0, 5, ["superseded", "done"])


def test_a_resumed_run_of_some_namespaces_does_not_answer_for_the_file(work: Work) -> None:
    work.run(scope=("a",), batch=2, max_rows=2)

    ended = work.run(resume=True, or_start=True)

    assert (ended.exit_code, ended.reason, ended.state) == (75, "rows outside", "done")
    assert (ended.remaining, ended.total) == (5, 10)
    assert "5 rows of the file are stale" in ended.error
    again = work.run(resume=True, or_start=True)
    assert (again.exit_code, again.scope, work.all_right()) == (0, None, True)


def test_a_resume_that_starts_nothing_answers_for_its_run_and_tells_what_it_did_not_look_at(work: Work) -> None:
    work.run(scope=("a",), batch=2, max_rows=2)

    ended = work.run(resume=True)

    assert (ended.exit_code, ended.outside, ended.remaining) == (0, 5, 0)
    assert "Run 1 is done (complete) in a: " in "\n".join(ended.lines())
    assert "5 rows in other namespaces are stale: ai-memory reembed" in "\n".join(ended.lines())


def test_a_quarantined_row_outside_of_a_resumed_run_is_no_success(work: Work) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-001", "POISON")
    assert work.run(scope=("b",)).exit_code == 10
    work.run(scope=("a",), batch=2, max_rows=2)

    ended = work.run(resume=True, or_start=True)

    assert (ended.exit_code, ended.remaining, ended.quarantined) == (10, 0, 1)


def test_a_start_over_some_namespaces_answers_for_these(work: Work) -> None:
    assert [work.run(scope=("a",)).exit_code, work.run(scope=("a",), resume=True, or_start=True).exit_code] == [0, 0]


def test_retry_quarantined_leaves_the_rows_of_other_namespaces_alone(work: Work) -> None:
    work.embedder = HashEmbedder(poison="POISON")
    files.edit(work.path, "id-000", "POISON")
    files.edit(work.path, "id-001", "POISON")
    work.run()

    ended = work.run(scope=("a",), retry_quarantined=True)

    assert (ended.exit_code, work.run().texts_sent) == (10, 0)


def test_a_run_that_has_only_its_census_left_needs_no_endpoint(work: Work) -> None:
    work.run(batch=2, max_rows=8)
    files.execute(work.path, "DELETE FROM memories WHERE id IN ('id-007', 'id-009')")
    work.embedder = failing_after(0, TransientFailure("gone."))

    ended = work.run(resume=True)

    assert (ended.exit_code, ended.state, ended.requests) == (0, "done", 0)


def test_a_plain_start_beside_an_unfinished_run_changes_nothing(work: Work) -> None:
    work.run(batch=2, max_rows=2)

    with pytest.raises(OperatorNeeded):
        work.run()

    assert (states(work), work.run(resume=True).exit_code) == (["running"], 0)


def test_a_scope_of_a_typing_error_is_refused(work: Work) -> None:
    with pytest.raises(NotFound, match="no namespace typo"):
        work.run(scope=("typo",))

    assert states(work) == []


def test_a_backup_is_made_before_the_first_write_and_never_over_a_file(work: Work, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    work.run(backup=copy)

    assert set(files.vectors(copy).values()) == {None}
    assert files.execute(copy, "SELECT count(*) FROM reembed_run") == [(0,)]
    with pytest.raises(UsageError, match="exists already"):
        work.run(backup=copy)


def test_the_counts_of_a_run_are_the_sum_of_its_invocations(work: Work) -> None:
    ended = [work.run(batch=2, max_rows=4), work.run(resume=True, batch=2, max_rows=4), work.run(resume=True)]

    with work.store() as store:
        status = read_status(database(work.path), store, now_ms=NOW_MS)
    assert status is not None
    assert status.run.counters.reembedded == sum(each.reembedded for each in ended) == 10


def test_a_run_that_somebody_removed_ends_without_a_traceback(work: Work) -> None:
    def remove(texts: Sequence[str]) -> None:
        if texts[0] not in WITNESS_TEXTS:
            for table in ("checkpoint", "event", "run"):
                files.execute(work.path, f"DELETE FROM reembed_{table}")

    work.embedder.before = remove
    ended = work.run(batch=2)

    assert ended.exit_code == NotFinished.exit_code
    assert set(files.vectors(work.path).values()) == {None}


@pytest.mark.parametrize("error", [TransientFailure("gone."), CredentialsRefused("no key.")])
def test_a_first_start_without_answer_and_width_writes_no_vector(work: Work, error: EmbedError) -> None:
    work.embedder = failing_after(0, error)
    work.embedder.dim_known = False

    assert work.run().exit_code == error.exit_code

    assert (states(work), set(files.vectors(work.path).values())) == (["running"], {None})


def test_a_first_start_without_width_goes_on_when_the_endpoint_is_back(work: Work) -> None:
    work.embedder = failing_after(0, TransientFailure("gone."))
    work.embedder.dim_known = False
    asked = work.run().requests
    held_back = work.run(resume=True)
    assert (held_back.exit_code, held_back.requests, asked) == (75, 0, 1)
    work.clock.advance(20 * 60)

    work.embedder = HashEmbedder(dim_known=False)
    ended = work.run(resume=True)

    assert (ended.exit_code, ended.dim, ended.run_id, work.all_right()) == (0, 16, 1, True)


def test_unfinished_runs_are_named_by_runs(work: Work) -> None:
    work.run(batch=2, max_rows=2)

    with work.store() as store:
        run = runs.unfinished_run(store)

    assert run is not None
    assert (run.state, run.holder, run.last_error) == ("running", None, None)


def test_rows_let_out_of_quarantine_are_counted_once(work: Work) -> None:
    files.execute(work.path, "UPDATE memories SET title = 'POISON ' || id WHERE id IN ('id-001', 'id-002')")
    work.embedder = HashEmbedder(poison="POISON")
    assert work.run().quarantined == 2

    again = work.run(retry_quarantined=True, max_rows=1)

    assert (again.exit_code, again.quarantined, again.remaining) == (75, 1, 1)


def test_a_row_over_which_the_server_breaks_down_is_named_and_the_others_are_done_in_any_budget(work: Work) -> None:
    def break_down(texts: Sequence[str]) -> None:
        if any("id-001" in text for text in texts):
            raise Breakdown("Internal error.", http_status=500)

    work.embedder.before = break_down
    work.run(batch=2, max_rows=3)
    for _ in range(4):
        ended = work.run(batch=2, max_rows=3, resume=True)

    assert (ended.exit_code, ended.reason, ended.remaining, ended.quarantined) == (75, "rows left", 1, 0)
    assert "the first is id-001: Internal error." in ended.error
    work.embedder.before = None
    assert (work.run(resume=True).exit_code, work.all_right()) == (0, True)


def test_a_few_refused_rows_at_each_start_are_in_the_end_too_many(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 120)
    files.execute(path, "UPDATE memories SET content = 'POISON' WHERE id >= 'id-020'")
    work = Work(path, embedder=HashEmbedder(poison="POISON"))

    files.approve(path, work.embedder.target)
    codes = [work.run(batch=10, max_rows=20, resume=True, or_start=True).exit_code for _ in range(8)]

    assert codes[-1] == 69
    assert len(files.execute(path, "SELECT 1 FROM reembed_quarantine")) <= 50
