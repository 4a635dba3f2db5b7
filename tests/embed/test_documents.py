"""Finding the rows that an endpoint refuses: few requests, and never a row for the endpoint's own fault."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Outcome, Refused, Unanswered
from ai_memory.errors import Breakdown, EndpointUnusable, RowsRefused, TransientFailure
from ai_memory.memory.document import source_hash
from ai_memory.memory.freshness import Document
from ai_memory.memory.reason import Reason
from ai_memory.vectors.witness import CANARY
from tests.support.fakes import HashEmbedder, patient


def documents(texts: Sequence[str]) -> list[Document]:
    return [
        Document(f"id-{number}", "a", "", text, text, source_hash(text), len(text)) for number, text in enumerate(texts)
    ]


def isolated(inner: HashEmbedder, asked: Sequence[Document]) -> list[Outcome]:
    return embed_documents(patient(inner), asked)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 33, 64])
def test_one_bad_row_costs_at_most_twice_the_logarithm_and_two(size: int) -> None:
    for bad in {0, size // 2, size - 1}:
        embedder = HashEmbedder(poison="POISON")
        texts = [f"{'POISON' if number == bad else 'text'} {number}" for number in range(size)]

        found = isolated(embedder, documents(texts))

        assert [isinstance(each, Refused) for each in found] == [number == bad for number in range(size)]
        assert embedder.meter.spent.requests <= 1 + 2 * ceil(log2(size)) + 2


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_every_bad_row_is_found_and_no_other(bad: list[bool]) -> None:
    embedder = HashEmbedder(poison="POISON")
    texts = [f"{'POISON' if each else 'text'} {number}" for number, each in enumerate(bad)]

    found = isolated(embedder, documents(texts))

    assert [each.document.text for each in found] == texts
    for each, is_bad in zip(found, bad, strict=True):
        if is_bad:
            assert each == Refused(each.document, Reason("refused", "the input was refused.", 400))
        else:
            assert isinstance(each, Embedded)
            assert np.array_equal(each.vector, embedder.vector(each.document.text))


def test_a_refused_canary_is_the_endpoints_fault() -> None:
    def refuse(_texts: Sequence[str]) -> None:
        raise RowsRefused("everything is refused.", http_status=422)

    with pytest.raises(EndpointUnusable, match="even a harmless one: everything is refused"):
        isolated(HashEmbedder(before=refuse), documents(["one", "two"]))


@pytest.mark.parametrize("refusals", range(1, 9))
def test_a_row_is_bad_only_if_it_is_refused_alone_on_both_sides_of_the_canary(refusals: int) -> None:
    left = [None] * refusals

    def refuse_for_a_while(texts: Sequence[str]) -> None:
        if "text 5" in texts and left:
            left.pop()
            raise RowsRefused("the input was refused.", http_status=400)

    found = isolated(HashEmbedder(before=refuse_for_a_while), documents([f"text {number}" for number in range(16)]))

    # Of 16, 8, 4, 2 and alone; and once more alone.
    assert [each.document.id for each in found if isinstance(each, Refused)] == ["id-5"] * (refusals >= 6)
    assert not any(isinstance(each, Unanswered) for each in found)


def test_each_bad_row_has_its_own_canary() -> None:
    asked: list[str] = []
    embedder = HashEmbedder(poison="POISON", before=asked.extend)

    isolated(embedder, documents(["POISON 1", "POISON 2"]))

    assert asked.count(CANARY) == 2


def test_an_outage_in_the_middle_blames_no_row() -> None:
    calls: list[int] = []

    def before(texts: Sequence[str]) -> None:
        calls.append(len(texts))
        if len(calls) > 2:
            raise TransientFailure("gone.")

    with pytest.raises(TransientFailure):
        isolated(HashEmbedder(poison="POISON", before=before), documents(["a", "b", "c", "POISON"]))


def test_no_request_is_larger_than_the_endpoint_takes() -> None:
    sizes: list[int] = []
    embedder = HashEmbedder(max_batch=4, before=lambda texts: sizes.append(len(texts)))

    found = isolated(embedder, documents([f"text {number}" for number in range(10)]))

    assert (sizes, len(found)) == ([4, 4, 2], 10)


def test_no_documents_are_no_request() -> None:
    embedder = HashEmbedder()

    assert isolated(embedder, []) == []
    assert embedder.meter.spent.requests == 0


def breaking_over(*bad: str, status: int = 500, kind: type[TransientFailure] = Breakdown) -> HashEmbedder:
    """Return an embedder that breaks down over each request with one of these texts."""

    def break_down(texts: Sequence[str]) -> None:
        if set(texts) & set(bad):
            raise kind("Internal error.", http_status=status)

    return HashEmbedder(before=break_down)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_row_over_which_the_server_breaks_down_is_left_out_and_holds_up_no_other(status: int) -> None:
    texts = [f"text {number}" for number in range(16)]

    found = isolated(breaking_over("text 5", status=status), documents(texts))

    assert [each.document.id for each in found if isinstance(each, Unanswered)] == ["id-5"]
    assert not any(isinstance(each, Refused) for each in found)


def test_a_server_that_breaks_down_over_a_harmless_text_too_is_an_outage() -> None:
    embedder = breaking_over("text 0", CANARY)

    with pytest.raises(TransientFailure, match="Internal error"):
        isolated(embedder, documents(["text 0", "text 1"]))
    assert embedder.meter.spent.requests == 2


def test_an_overload_is_no_breakdown() -> None:
    embedder = breaking_over("text 0", status=503, kind=TransientFailure)

    with pytest.raises(TransientFailure):
        isolated(embedder, documents(["text 0", "text 1"]))
    assert embedder.meter.spent.requests == 1
