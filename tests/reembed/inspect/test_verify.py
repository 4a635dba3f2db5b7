"""`verify --sample`: rows embedded again, and what differs."""

from __future__ import annotations

import numpy as np
import pytest

from ai_memory.reembed.inspect.verify import Sample, choose, compare
from ai_memory.stores.sqlite.store import Store
from ai_memory.vectors.blob import encode, head
from tests.reembed.work import Work, known
from tests.support import files

ZERO_HEAD = head(b"\x01" + bytes(64))


def sampled(work: Work, *, size: int | None = None, scope: tuple[str, ...] | None = None) -> Sample:
    with work.store() as store:
        target = known(store, work.embedder)
        return compare(store, work.embedder, target, choose(store, target, scope, size=size))


def overwrite(store: Store, row_id: str, blob: bytes) -> None:
    """Put another vector behind the head that the record knows."""
    true = store.db.value("SELECT embedding FROM memories WHERE id = ?", (row_id,))
    store.db.execute("UPDATE memories SET embedding = ? WHERE id = ?", (true[:17] + blob[17:], row_id))


def test_rows_of_a_finished_run_agree(work: Work) -> None:
    work.run()

    found = sampled(work)

    assert (found.compared, found.differing) == (10, ())
    assert found.lowest_cosine > 0.999999


def test_a_vector_that_only_keeps_its_head_is_found(work: Work) -> None:
    work.run()
    with work.store() as store:
        overwrite(store, "id-003", encode(np.full(16, -9, dtype=np.float32)))

    assert sampled(work).differing == ("id-003",)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_a_vector_with_which_nothing_can_be_compared_differs(work: Work, value: float) -> None:
    work.run()
    with work.store() as store:
        overwrite(store, "id-003", encode(np.full(16, value, dtype=np.float32)))
        if not value:
            store.db.execute("UPDATE memories SET embedding = ? WHERE id = 'id-003'", (b"\x01" + bytes(64),))
            store.db.execute("UPDATE embedding_provenance SET head = ? WHERE memory_id = 'id-003'", (ZERO_HEAD,))

    found = sampled(work)

    assert (found.compared, found.differing, found.lowest_cosine) == (10, ("id-003",), -1.0)


def test_a_sample_is_no_larger_than_asked_and_of_its_scope(work: Work) -> None:
    work.run()

    assert (sampled(work, size=3).compared, sampled(work, scope=("a",)).compared) == (3, 5)


def test_rows_on_an_operators_word_are_doubted_first(work: Work) -> None:
    work.run()
    files.execute(work.path, "UPDATE embedding_provenance SET origin = 'attested' WHERE memory_id >= 'id-007'")

    with work.store() as store:
        chosen = choose(store, known(store, work.embedder), None, size=3)

    assert sorted(each.id for each in chosen) == ["id-007", "id-008", "id-009"]


def test_rows_drawn_of_those_on_an_operators_word_tell_of_these() -> None:
    all_attested = Sample(20, (), 1.0, one_by_one=20).differ_at_most(attested=300, rows=300)
    half = Sample(20, (), 1.0, one_by_one=20).differ_at_most(attested=150, rows=300)
    behind_them = Sample(20, (), 1.0, one_by_one=20).differ_at_most(attested=10, rows=20)

    assert (round(all_attested, 3), round(half, 3), behind_them) == (0.139, 0.57, 0.0)


def test_stale_rows_are_no_part_of_the_sample(work: Work) -> None:
    work.run()
    files.edit(work.path, "id-003", "edited")

    assert sampled(work).compared == 9


def test_a_row_edited_between_choice_and_comparison_is_left_out(work: Work) -> None:
    work.run()
    with work.store() as store:
        target = known(store, work.embedder)
        chosen = choose(store, target, None, size=None)
        files.edit(work.path, "id-003", "edited")

        found = compare(store, work.embedder, target, chosen)

    assert (found.compared, found.differing) == (9, ())
