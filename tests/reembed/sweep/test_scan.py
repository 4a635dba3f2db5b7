"""The walk: stale rows into pages that cross namespaces, fresh rows only move the cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from ai_memory.embed.flow.token_budget import TokenBudget
from ai_memory.embed.port import TokenLimit
from ai_memory.embed.usage import Meter
from ai_memory.reembed.page import Page
from ai_memory.reembed.sweep import scan
from ai_memory.reembed.sweep.budget import Budget
from ai_memory.reembed.sweep.scan import Scan, ScanOrder
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.values import Checkpoint
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.reembed.work import Work, known
from tests.support import files
from tests.support.fakes import HashEmbedder

NO_CURSORS: Mapping[str, Checkpoint] = {}


def budget(max_rows: int | None = None) -> Budget:
    return Budget(TokenBudget(Meter()), max_rows=max_rows)


def walked(
    store: Store,
    *,
    batch: int = 3,
    namespaces: Sequence[str] = ("a", "b"),
    cursors: Mapping[str, Checkpoint] = NO_CURSORS,
    max_rows: int | None = None,
) -> list[Page]:
    order = ScanOrder(known(store, HashEmbedder()), namespaces, cursors, batch)
    return list(Scan(store, order, budget(max_rows), stopped=lambda: False).pages())


def ids(page: Page) -> list[str]:
    return [each.id for each in page.documents]


def test_pages_have_a_batch_of_documents_and_cross_namespaces(store: Store) -> None:
    found = walked(store, batch=4)

    assert [ids(each) for each in found] == [
        ["id-000", "id-002", "id-004", "id-006"],
        ["id-008", "id-001", "id-003", "id-005"],
        ["id-007", "id-009"],
    ]


def test_a_page_carries_the_cursors_of_all_namespaces_it_touched(store: Store) -> None:
    _, second, last = walked(store, batch=4)

    assert second.steps == {
        "a": Checkpoint("a", "id-008", eof=True, rows_done=1),
        "b": Checkpoint("b", "id-005", eof=False, rows_done=3),
    }
    assert last.steps == {"b": Checkpoint("b", "id-009", eof=True, rows_done=2)}


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_every_row_is_passed_once_whatever_the_batch(store: Store, batch: int) -> None:
    found = walked(store, batch=batch)

    assert sorted(each for page in found for each in ids(page)) == [f"id-{number:03}" for number in range(10)]
    assert sum(step.rows_done for page in found for step in page.steps.values()) == 10


def test_the_walk_goes_on_behind_its_cursors(store: Store) -> None:
    cursors = {
        "a": Checkpoint("a", "id-008", eof=True, rows_done=5),
        "b": Checkpoint("b", "id-005", eof=False, rows_done=3),
    }

    assert [ids(each) for each in walked(store, cursors=cursors)] == [["id-007", "id-009"]]


def test_fresh_rows_only_move_the_cursor(work: Work) -> None:
    work.run()
    files.edit(work.path, "id-005", "edited")

    with work.store() as store:
        found = walked(store)

    assert [ids(each) for each in found] == [["id-005"]]
    assert (found[0].current, sum(step.rows_done for step in found[0].steps.values())) == (9, 10)


OTHER, SAME = b"\0" * 4 * 3, b"\0" * 4 * HashEmbedder().target.dim
STORED = "UPDATE memories SET embedding = ?, embedding_space = ? WHERE id = 'id-005'"
OF_OTHERS = "UPDATE embedding_provenance SET fingerprint_id = (SELECT max(id) FROM embedding_fingerprint)"


@pytest.mark.parametrize(
    ("vector", "space", "comparable"),
    [(None, None, False), (OTHER, "old#none", False), (SAME, None, False), (SAME, "old#none", True)],
    ids=["none", "another width", "no stamp", "stamped"],
)
def test_a_page_tells_whether_a_vector_of_another_model_may_be_compared(
    work: Work, vector: bytes | None, space: str | None, comparable: bool
) -> None:
    files.execute(
        work.path, "UPDATE memories SET embedding = ?, embedding_space = ? WHERE id = 'id-005'", vector, space
    )

    with work.store() as store:
        found = walked(store, batch=4)

    assert [each.comparable for each in found] == [False, comparable, False]


def test_the_record_of_another_model_is_a_stamp_too(work: Work) -> None:
    work.run()
    with work.store() as store:
        known(store, HashEmbedder(dim=3))
        files.execute(work.path, OF_OTHERS)
        files.execute(work.path, "UPDATE memories SET embedding_space = NULL")

        found = walked(store, batch=100)

    assert [each.comparable for each in found] == [True]


def test_the_cursor_of_a_spent_budget_stands_before_the_first_row_not_taken(store: Store) -> None:
    found = walked(store, max_rows=2)

    assert [ids(each) for each in found] == [["id-000", "id-002"]]
    assert found[0].steps == {"a": Checkpoint("a", "id-002", eof=False, rows_done=2)}


def test_where_the_budget_has_to_wait_a_page_without_rows_or_cursors_tells(work: Work) -> None:
    found: list[Page] = []
    free = TokenBudget(Meter(), TokenLimit(10**9))
    row, apart = free.most([files.texts(work.path)["id-000"]]), free.most([*WITNESS_TEXTS, WITNESS_TEXTS[0]])
    one_by_one = Budget(TokenBudget(Meter(), TokenLimit(apart + row + row // 2)), max_rows=None)
    with work.store() as store:
        order = ScanOrder(known(store, HashEmbedder()), ["a", "b"], NO_CURSORS, 1)
        waiting = Scan(store, order, one_by_one, stopped=lambda: False)
        for page in waiting.pages():
            found.append(page)
            if not page.documents:
                waiting.settle(found[-2])

    assert [each.empty for each in found[:4]] == [False, True, False, True]
    assert sum(len(each.documents) for each in found) == 10
    assert Page().empty
    assert not Page(steps={"a": Checkpoint("a", "id", eof=True, rows_done=1)}).empty


def test_a_budget_that_is_just_enough_is_not_spent(store: Store) -> None:
    order = ScanOrder(known(store, HashEmbedder()), ["a", "b"], NO_CURSORS, 3)
    spent = budget(10)

    assert sum(len(each.documents) for each in Scan(store, order, spent, stopped=lambda: False).pages()) == 10
    assert spent.spent == ""


def test_rows_that_die_or_move_behind_the_read_are_passed_without_work(store: Store) -> None:
    store.db.execute("UPDATE memories SET expires_at = '2001-01-01T00:00:00Z' WHERE id = 'id-000'")

    (first, *_) = walked(store, batch=100)

    assert "id-000" not in ids(first)
    assert first.steps["a"] == Checkpoint("a", "id-008", eof=True, rows_done=5)


def test_identical_texts_are_one_document_and_twins(store: Store) -> None:
    store.db.execute("UPDATE memories SET title = 'same', content = 'text' WHERE id IN ('id-000', 'id-001')")

    (page,) = walked(store, batch=100)

    assert ([each.id for each in page.duplicates], len(page.documents)) == (["id-001"], 9)


@pytest.mark.parametrize("written", [True, False])
def test_a_text_is_sent_once_though_its_page_ends_before_its_twin_is_passed(store: Store, *, written: bool) -> None:
    """What is stored is asked for before the first row is looked at; what is dropped has to be sent again."""
    store.db.execute("UPDATE memories SET title = 'same', content = 'text' WHERE id IN ('id-000', 'id-001')")
    order = ScanOrder(known(store, HashEmbedder()), (), NO_CURSORS, 1, ids=("id-000", "id-001"))
    walk = Scan(store, order, budget(), stopped=lambda: False)

    sent: list[str] = []
    shared: list[str] = []
    for page in walk.pages():
        (walk.settle if written else walk.drop)(page)
        sent += ids(page)
        shared += [each.id for each in page.duplicates]

    assert (sent, shared) == ((["id-000"], ["id-001"]) if written else (["id-000", "id-001"], []))


def test_a_stop_ends_the_walk_with_what_was_gathered(store: Store) -> None:
    order = ScanOrder(known(store, HashEmbedder()), ["a", "b"], NO_CURSORS, 100)
    answers = iter([False, True])
    stopped = Scan(store, order, budget(), stopped=lambda: next(answers))

    (page,) = stopped.pages()

    assert (stopped.stopped, page.steps) == (True, {"a": Checkpoint("a", "id-008", eof=True, rows_done=5)})


@pytest.mark.parametrize(("name", "size"), [("READ_ROWS", 2), ("SCANNED_ROWS", 3), ("PAGE_BYTES", 60)])
def test_small_blocks_pass_the_same_rows(store: Store, monkeypatch: pytest.MonkeyPatch, name: str, size: int) -> None:
    monkeypatch.setattr(scan, name, size)
    monkeypatch.setattr(scan, "ID_BLOCK", 2)

    found = walked(store, batch=100)

    assert sorted(each for page in found for each in ids(page)) == [f"id-{number:03}" for number in range(10)]
    assert {name: step.eof for page in found for name, step in page.steps.items()} == {"a": True, "b": True}


def test_named_rows_come_first_and_are_met_once(store: Store) -> None:
    target = known(store, HashEmbedder())
    order = ScanOrder(target, ["a", "b"], NO_CURSORS, 4, ids=("id-005", "id-004", "gone"), within={"a", "b"})

    first, *others = Scan(store, order, budget(), stopped=lambda: False).pages()

    assert ids(first) == ["id-005", "id-004", "id-000", "id-002"]
    assert first.steps == {
        None: Checkpoint(None, "gone", eof=False, rows_done=3),
        "a": Checkpoint("a", "id-002", eof=False, rows_done=2),
    }
    found = [each for page in (first, *others) for each in ids(page)]
    assert sorted(found) == [f"id-{number:03}" for number in range(10)]


def test_named_rows_of_other_namespaces_are_passed_over(store: Store) -> None:
    target = known(store, HashEmbedder())
    order = ScanOrder(target, ["a"], NO_CURSORS, 100, ids=("id-005", "id-004"), within={"a"})

    [page] = Scan(store, order, budget(), stopped=lambda: False).pages()

    assert (ids(page), page.steps[None].rows_done) == (["id-004", "id-000", "id-002", "id-006", "id-008"], 2)


def test_a_budget_that_the_named_rows_spend_leaves_the_namespaces_where_they_were(store: Store) -> None:
    target = known(store, HashEmbedder())
    order = ScanOrder(target, ["a", "b"], NO_CURSORS, 4, ids=("id-005", "id-004"), within={"a", "b"})

    [page] = Scan(store, order, budget(1), stopped=lambda: False).pages()

    assert (ids(page), page.steps) == (["id-005"], {None: Checkpoint(None, "id-005", eof=False, rows_done=1)})
