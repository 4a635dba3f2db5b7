"""Vectors are compared with what the embedder gives before they are stamped, whatever it does with those in company."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from unittest.mock import patch

import pytest

from ai_memory.embed.pools.in_turn import InTurn
from ai_memory.errors import StampRefused
from ai_memory.reembed.plan.stamping import Stamped
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep import compared
from ai_memory.reembed.sweep.stamp_compared import stamp_compared
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import SweepTools
from tests.reembed.sweep.test_asked_again import Shifting
from tests.reembed.work import Clock, Work
from tests.support import files
from tests.support.fakes import HashEmbedder, patient

ROWS = 10
SAME = "UPDATE memories SET embedding = (SELECT embedding FROM memories WHERE id = 'id-000')"


@pytest.fixture
def unstamped(work: Work) -> Work:
    work.run()
    files.execute(work.path, "DELETE FROM embedding_provenance")
    return work


def stamped(work: Work, embedder: HashEmbedder, *, size: int | None = None, one_by_one: int = 300) -> Stamped:
    tools = SweepTools(Clock(), Stop(), lambda _: None)
    with (
        patch.multiple(compared, ONE_BY_ONE=one_by_one, PAGE=4),
        work.store() as store,
        closing(InTurn(patient(embedder), answer)) as workers,
    ):
        return stamp_compared(store, embedder.target, None, tools, workers, size=size)


def recorded(work: Work) -> int:
    [(found,)] = files.execute(work.path, "SELECT count(*) FROM embedding_provenance WHERE origin = 'attested'")
    return int(found)


@pytest.mark.parametrize("one_by_one", [0, 4, 300])
def test_an_endpoint_that_mixes_up_texts_in_company_belies_no_row(unstamped: Work, one_by_one: int) -> None:
    found = stamped(unstamped, Shifting(), one_by_one=one_by_one)

    assert (found.stamped, found.sampled, found.differing) == (ROWS, ROWS, 0)
    assert recorded(unstamped) == ROWS


def test_pages_after_the_first_rows_are_asked_for_in_one_request(unstamped: Work) -> None:
    sent: list[int] = []
    found = stamped(unstamped, HashEmbedder(before=lambda texts: sent.append(len(texts))), one_by_one=4)

    assert found.stamped == ROWS
    assert sent == [1, 1, 1, 1, 4, 2]


@pytest.mark.parametrize("one_by_one", [0, 300])
def test_a_row_that_differs_is_found_in_company_and_alone(unstamped: Work, one_by_one: int) -> None:
    files.edit(unstamped.path, "id-005", "another content")

    found = stamped(unstamped, HashEmbedder(), one_by_one=one_by_one)

    assert (found.stamped, found.differing, found.unstamped) == (ROWS - 1, 1, 0)
    assert recorded(unstamped) == ROWS - 1


def test_one_that_differs_in_a_sample_stamps_nothing(unstamped: Work) -> None:
    files.edit(unstamped.path, "id-005", "another content")

    with pytest.raises(StampRefused, match=r"1 of 10 rows embedded again .* id-005 among them") as refusal:
        stamped(unstamped, HashEmbedder(), size=300)

    assert (refusal.value.exit_code, recorded(unstamped)) == (4, 0)


def test_a_text_that_is_edited_while_it_is_compared_is_not_stamped(unstamped: Work) -> None:
    def edit(texts: Sequence[str]) -> None:
        if any("id-005" in text for text in texts):
            files.edit(unstamped.path, "id-005", "another content")

    found = stamped(unstamped, HashEmbedder(before=edit))

    assert (found.stamped, found.unstamped) == (ROWS - 1, 1)


def test_a_text_that_the_embedder_refuses_is_not_stamped_where_all_are_compared(unstamped: Work) -> None:
    found = stamped(unstamped, HashEmbedder(poison="content of id-005"), one_by_one=0)

    assert (found.stamped, found.sampled, found.unstamped) == (ROWS - 1, ROWS - 1, 1)


def test_one_vector_for_many_texts_is_stamped_in_no_way(unstamped: Work) -> None:
    files.execute(unstamped.path, SAME)

    with pytest.raises(StampRefused, match="At least 8 rows with different texts have one and the same vector"):
        stamped(unstamped, HashEmbedder())

    assert recorded(unstamped) == 0
