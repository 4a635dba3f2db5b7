"""A staged run: vectors go beside the memories, and nothing else of them changes until it is switched to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_memory.errors import OperatorNeeded, TransientFailure, UsageError
from ai_memory.reembed.plan.census import take_census
from ai_memory.reembed.sweep.since import StaleRows
from ai_memory.stores.values import HOT
from ai_memory.vectors.blob import encode
from ai_memory.vectors.target import Vectors
from tests.reembed.work import Work, known
from tests.support import files
from tests.support.fakes import HashEmbedder


class Mixing(HashEmbedder):
    """An embedder that mixes up texts which share a request, from its second such request on."""

    companies = 0

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        found = super().embed_documents(texts)
        type(self).companies += len(texts) > 3
        return np.roll(found, 1, axis=0) if len(texts) > 3 and self.companies > 1 else found


NUMBERS = count()
STAGED = "SELECT memory_id, embedding FROM embedding_staged ORDER BY memory_id"


def staged_vectors(work: Work) -> dict[str, bytes]:
    return dict(files.execute(work.path, STAGED))


def memories(work: Work) -> list[tuple[Any, ...]]:
    """Return all that stands in the memories and in the records of their vectors."""
    return [
        row
        for table in ("memories", "embedding_provenance")
        for row in files.execute(work.path, f"SELECT * FROM {table} ORDER BY 1")
    ]


def expected(work: Work) -> dict[str, bytes]:
    return {each: encode(work.embedder.vector(text)) for each, text in files.texts(work.path).items()}


@pytest.fixture
def old(work: Work) -> Work:
    """Return the work on a file that has vectors of another model, and a target that is new."""
    assert work.run().exit_code == 0
    work.embedder = HashEmbedder(dim=8, model="new")
    return work


def test_it_fills_the_place_beside_the_memories_and_is_ready(old: Work) -> None:
    before = memories(old)

    report = old.run(staged=True)

    assert (report.exit_code, report.state, report.reason) == (0, "ready", "complete")
    assert (report.total, report.reembedded, report.remaining) == (10, 10, 0)
    assert "ai-memory reembed switch" in "\n".join(report.lines())
    assert staged_vectors(old) == expected(old)
    assert memories(old) == before


def test_it_goes_on_where_it_stopped_as_it_was_begun(old: Work) -> None:
    assert old.run(staged=True, max_rows=4, batch=2).exit_code == 75
    assert len(staged_vectors(old)) == 4

    report = old.run(resume=True)

    assert (report.exit_code, report.state, report.reembedded) == (0, "ready", 6)
    assert staged_vectors(old) == expected(old)


def test_hot_rows_come_first_after_a_stop_too(old: Work) -> None:
    for row_id, times in (("id-007", 90), ("id-002", 60), ("id-005", 30)):
        files.note_reads(old.path, row_id, times)

    assert old.run(staged=True, order=HOT, batch=1, max_rows=2).exit_code == 75
    assert sorted(staged_vectors(old)) == ["id-002", "id-007"]
    assert old.run(resume=True, batch=1, max_rows=1).exit_code == 75
    assert sorted(staged_vectors(old)) == ["id-002", "id-005", "id-007"]

    assert old.run(resume=True).state == "ready"
    assert staged_vectors(old) == expected(old)


def test_a_row_that_is_edited_meanwhile_gets_the_vector_of_its_new_text(old: Work) -> None:
    edits = iter(["id-003", "id-008"])

    def edit(_: Sequence[str]) -> None:
        if row_id := next(edits, None):
            files.edit(old.path, row_id, f"edited {row_id}")

    old.embedder.before = edit
    report = old.run(staged=True, batch=4)

    assert (report.exit_code, report.state) == (0, "ready")
    assert staged_vectors(old) == expected(old)


def store_another(work: Work) -> None:
    """Store a memory, as others do all the time."""
    number = next(NUMBERS)
    files.execute(
        work.path,
        "INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at)"
        " SELECT ?, tier, namespace, ?, 'a content', created_at, updated_at FROM memories WHERE id = 'id-000'",
        f"new-{number}",
        f"a title {number}",
    )


def test_it_is_ready_though_others_store_all_the_time_and_says_how_much_came_since(old: Work) -> None:
    old.embedder.before = lambda _: store_another(old)
    report = old.run(staged=True)

    assert (report.exit_code, report.state, report.reason) == (0, "ready", "edited since"), report.error
    assert report.remaining
    assert "added or edited since" in "\n".join(report.lines())
    before = set(expected(old)) - set(staged_vectors(old))
    assert (len(before), all(each.startswith("new-") for each in before)) == (report.remaining, True)
    old.embedder.before = None

    assert old.run(resume=True, last_pass=True).reason == "complete"
    assert staged_vectors(old) == expected(old)


def test_it_is_not_ready_while_all_of_it_is_edited_as_fast_as_it_is_embedded(old: Work) -> None:
    numbers = count()

    def edit_all(_: Sequence[str]) -> None:
        files.execute(old.path, "UPDATE memories SET content = ? || id", f"edit {next(numbers)} ")

    old.embedder.before = edit_all
    report = old.run(staged=True)

    assert (report.exit_code, report.state, report.reason) == (75, "running", "churn")


def test_identical_texts_are_sent_once_and_rows_that_have_the_targets_vector_not_at_all(old: Work) -> None:
    files.execute(old.path, "UPDATE memories SET title = 'same', content = 'same' WHERE id IN ('id-001', 'id-002')")
    report = old.run(staged=True)

    assert (report.identical, report.state) == (1, "ready")
    assert staged_vectors(old) == expected(old)


def test_the_census_of_the_target_judges_what_is_staged_and_that_of_another_what_is_there(old: Work) -> None:
    first = HashEmbedder()
    old.run(staged=True)
    files.edit(old.path, "id-003", "edited")

    with old.store() as store:
        new, was = known(store, old.embedder), known(store, first)
        assert take_census(store, new, None, now_ms=0).fresh == 9
        assert take_census(store, was, None, now_ms=0).fresh == 9


def test_a_lie_is_taken_back_from_beside_the_memories(old: Work) -> None:
    before = memories(old)
    old.embedder = Mixing(dim=8, model="new")

    report = old.run(staged=True, batch=5)

    assert report.state == "ready"
    assert staged_vectors(old) == expected(old)
    assert memories(old) == before


def test_a_ready_run_is_neither_resumed_nor_begun_again(old: Work) -> None:
    old.run(staged=True)

    for flags in ({"resume": True}, {"resume": True, "or_start": True}, {}, {"retarget": True}):
        with pytest.raises(OperatorNeeded, match="is ready") as caught:
            old.run(**flags)
        assert "ai-memory reembed switch" in caught.value.tip


def test_a_ready_run_tries_what_is_in_quarantine_again_when_it_is_asked_to(old: Work) -> None:
    old.embedder.poison = "id-003"
    assert old.run(staged=True).exit_code == 10
    old.embedder.poison = ""

    report = old.run(resume=True, retry_quarantined=True)

    assert (report.exit_code, report.state, report.quarantined) == (0, "ready", 0)
    assert staged_vectors(old) == expected(old)


def test_another_place_is_another_run(old: Work) -> None:
    old.run(max_rows=4, batch=2)
    before = memories(old)

    report = old.run(retarget=True, staged=True)

    assert (report.run_id, report.state, memories(old) == before) == (3, "ready", True)


def test_another_target_takes_the_place_of_a_ready_run(old: Work) -> None:
    old.run(staged=True)
    old.embedder = HashEmbedder(dim=8, model="newer")

    report = old.run(retarget=True, staged=True)

    assert (report.state, report.reembedded) == ("ready", 10)
    assert staged_vectors(old) == expected(old)


def test_a_run_in_place_takes_what_was_staged_of_its_target_and_leaves_nothing_beside(old: Work) -> None:
    old.run(staged=True, max_rows=6, batch=2)
    with old.store() as store, store.transaction() as transaction:
        transaction.runs.cancel(now_ms=0)

    report = old.run()

    assert (report.state, report.exit_code, report.identical) == ("done", 0, 6)
    assert old.all_right()
    assert staged_vectors(old) == {}


def test_a_run_in_place_cannot_be_made_a_staged_one(old: Work) -> None:
    old.run(max_rows=4, batch=2)

    with pytest.raises(UsageError, match="begun without --staged"):
        old.run(resume=True, staged=True)


def test_vectors_of_which_nothing_tells_what_made_them_are_not_made_dark(work: Work) -> None:
    files.execute(
        work.path, "UPDATE memories SET embedding = ?, embedding_space = NULL", encode(work.embedder.vector("x"))
    )

    with pytest.raises(OperatorNeeded, match="10 rows have vectors of which nothing tells what made them") as caught:
        work.run(staged=True)

    assert "[embeddings.previous]" in caught.value.tip


def test_an_outage_leaves_it_unfinished_and_nothing_is_served_of_it(old: Work) -> None:
    before = memories(old)

    def away(_: Sequence[str]) -> None:
        if len(staged_vectors(old)) > 3:
            raise TransientFailure("away")

    old.embedder.before = away
    report = old.run(staged=True, batch=2)

    assert (report.exit_code, report.state) == (75, "running")
    assert memories(old) == before


@pytest.mark.parametrize("staged", [False, True])
def test_rows_that_became_stale_are_kept_in_mind_for_a_staged_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, staged: bool
) -> None:
    kept: list[str] = []
    monkeypatch.setattr(StaleRows, "hear", lambda _, examined: kept.append(examined.id))
    path, edits = files.create(tmp_path / "m.db", 6), iter(["other words"])

    def edit_beside_the_page(texts: Sequence[str]) -> None:
        for each in edits if len(texts) == 6 else ():
            files.edit(path, "id-000", each)

    report = Work(path, HashEmbedder(before=edit_beside_the_page)).run(batch=6, staged=staged)

    assert (report.exit_code, report.passes) == (0, 2)
    assert kept == (["id-000"] if staged else [])
