"""Rows that cannot be brought to a target: kept by target, with attempts, until somebody lifts them."""

from __future__ import annotations

import pytest

from ai_memory.memory.reason import Reason
from ai_memory.stores.sqlite import quarantine
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.values import Quarantined
from tests.reembed.work import committed, known
from tests.support.fakes import HashEmbedder

REASON = Reason("refused", "the input was refused.", 400)


@pytest.fixture
def target(store: Store) -> int:
    return known(store, HashEmbedder()).id


def put(store: Store, target: int, row_id: str, src: bytes = b"1", *, at: int = 5) -> None:
    with store.transaction() as transaction:
        quarantine.put(transaction, target, row_id, src, REASON, now_ms=at)


def test_an_entry_says_what_when_and_how_often(store: Store, target: int) -> None:
    put(store, target, "id-000", at=5)
    put(store, target, "id-000", at=9)

    expected = Quarantined("id-000", "a", b"1", "refused", 400, "the input was refused.", 2, 5, 9)
    assert quarantine.entries(store, target) == [expected]


def test_another_text_begins_its_attempts_anew(store: Store, target: int) -> None:
    put(store, target, "id-000", b"1", at=5)
    put(store, target, "id-000", b"2", at=9)

    (entry,) = quarantine.entries(store, target)
    assert (entry.src, entry.attempts, entry.first_at, entry.last_at) == (b"2", 1, 9, 9)


def test_a_quarantine_belongs_to_its_target(store: Store, target: int) -> None:
    other = known(store, HashEmbedder(dim=8)).id
    put(store, target, "id-000")

    assert quarantine.entries(store, other) == []


def test_entries_are_lifted_by_the_ids_of_their_rows(store: Store, target: int) -> None:
    for row_id in ("id-000", "id-001", "id-002"):
        put(store, target, row_id)

    committed(store, quarantine.lift, target, ["id-001"])
    assert [each.id for each in quarantine.entries(store, target)] == ["id-000", "id-002"]

    committed(store, quarantine.lift, target, ["id-000", "id-002"])
    assert quarantine.entries(store, target) == []


def test_a_memory_that_is_gone_is_not_listed(store: Store, target: int) -> None:
    put(store, target, "id-000")
    store.db.execute("DELETE FROM memories WHERE id = 'id-000'")

    assert quarantine.entries(store, target) == []
