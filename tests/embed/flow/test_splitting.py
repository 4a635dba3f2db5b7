"""Batches cut into requests, against an endpoint that refuses, or is late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, log2

import numpy as np
import pytest

from ai_memory.embed.documents import embed_documents
from ai_memory.embed.flow.documented import DocumentedLimits
from ai_memory.embed.flow.splitting import SplittingEmbedder
from ai_memory.embed.outcomes import Refused
from ai_memory.embed.port import RetryPolicy
from ai_memory.errors import AnswerLate, Breakdown, RateLimited, RequestTooLarge, RowsRefused, TransientFailure
from ai_memory.memory.freshness import Document
from tests.embed.flow.passing_time import PassingTime
from tests.support.fakes import HashEmbedder, patient

TEXTS = [f"text {number}" for number in range(100)]


class Asked:
    """A fake endpoint's ear: keeps the sizes of the requests, then does what the test wants."""

    def __init__(self, then: Callable[[Sequence[str]], None]) -> None:
        self.sizes: list[int] = []
        self.then = then

    def __call__(self, texts: Sequence[str]) -> None:
        self.sizes.append(len(texts))
        self.then(texts)


def divided(asked: Asked, limits: DocumentedLimits = DocumentedLimits()) -> SplittingEmbedder:  # noqa: B008 - frozen
    time = PassingTime()
    inner = HashEmbedder(before=asked, max_batch=2_048)
    return patient(inner, retry_policy=RetryPolicy(retry_for=10), limits=limits, clock=time.clock, sleep=time.sleep)


def right(embedder: SplittingEmbedder) -> bool:
    return np.array_equal(embedder.embed_documents(TEXTS), [HashEmbedder().vector(text) for text in TEXTS])


def test_vectors_of_several_requests_come_in_the_order_of_the_texts() -> None:
    asked = Asked(lambda _texts: None)

    assert right(divided(asked, DocumentedLimits(inputs=30)))
    assert asked.sizes == [30, 30, 30, 10]


def test_a_size_refused_once_is_not_asked_for_again() -> None:
    def refuse(texts: Sequence[str]) -> None:
        if len(texts) > 32:
            raise RequestTooLarge("too many.", unit="inputs", most=32)

    asked = Asked(refuse)
    embedder = divided(asked)

    assert right(embedder)
    assert right(embedder)
    assert asked.sizes == [100, 32, 32, 32, 4, 32, 32, 32, 4]
    assert embedder.max_batch == 32


def test_a_late_request_goes_again_in_smaller_ones() -> None:
    def late(texts: Sequence[str]) -> None:
        if len(texts) > 10:
            raise AnswerLate("late.")

    asked = Asked(late)

    assert right(divided(asked))
    assert asked.sizes[:3] == [100, 25, 6]


def test_an_endpoint_that_never_answers_gets_few_requests() -> None:
    def never(texts: Sequence[str]) -> None:
        raise (AnswerLate if len(texts) > 1 else TransientFailure)("late.")

    asked = Asked(never)
    with pytest.raises(TransientFailure):
        divided(asked).embed_documents(TEXTS)

    assert asked.sizes[:4] == [100, 25, 6, 1]
    assert len(asked.sizes) < 30


def test_a_text_too_large_by_itself_is_the_callers_to_judge() -> None:
    def refuse(_texts: Sequence[str]) -> None:
        raise RequestTooLarge("too large.", http_status=413)

    asked = Asked(refuse)
    with pytest.raises(RowsRefused):
        divided(asked).embed_documents(TEXTS)

    assert asked.sizes == [100, 50, 25, 13, 7, 4, 2, 1]


def test_no_texts_are_no_request() -> None:
    asked = Asked(lambda _texts: None)

    assert len(divided(asked).embed_query("a")) == 16
    assert asked.sizes == [1]


def test_a_bad_text_among_long_ones_costs_no_text_a_second_request_but_those_beside_it() -> None:
    asked = Asked(lambda _texts: None)
    embedder = divided(asked, DocumentedLimits(inputs=100, request_tokens=100))
    documents = [Document(text, "a", text, "", text, b"", len(text)) for text in TEXTS]
    bad = TEXTS[40]

    def refuse(texts: Sequence[str]) -> None:
        if bad in texts:
            raise RowsRefused("bad.", http_status=400)

    undisturbed = -(-100 // embedder.fitting(TEXTS))
    asked.then = refuse
    found = embed_documents(embedder, documents)

    assert [each.document.id for each in found if isinstance(each, Refused)] == [bad]
    assert len(asked.sizes) <= undisturbed + 2 * ceil(log2(embedder.fitting(TEXTS))) + 2


def test_a_text_that_fails_alone_is_told_with_its_error_and_the_others_with_their_vectors() -> None:
    def refuse(texts: Sequence[str]) -> None:
        if TEXTS[40] in texts:
            raise RowsRefused("bad.", http_status=400)

    outcomes = list(divided(Asked(refuse)).each(TEXTS))

    assert [number for number, each in enumerate(outcomes) if isinstance(each, RowsRefused)] == [40]
    for number in {*range(100)} - {40}:
        assert np.array_equal(np.asarray(outcomes[number]), HashEmbedder().vector(TEXTS[number]))


def test_a_breakdown_over_many_texts_is_learned_and_the_next_batch_does_not_pay_again() -> None:
    def break_down(texts: Sequence[str]) -> None:
        if len(texts) > 20:
            raise Breakdown("out of memory.", http_status=424)

    asked = Asked(break_down)
    embedder = divided(asked)

    assert right(embedder)
    assert asked.sizes[:3] == [100] * 3
    asked.sizes.clear()
    assert right(embedder)
    assert max(asked.sizes) <= 20


def test_where_a_harmless_text_fails_too_a_batch_is_not_divided() -> None:
    def break_down(_texts: Sequence[str]) -> None:
        raise Breakdown("down.", http_status=500)

    asked = Asked(break_down)
    with pytest.raises(Breakdown):
        divided(asked).embed_documents(TEXTS)

    assert set(asked.sizes) == {100, 1}
    assert asked.sizes.count(1) <= 1 + asked.sizes.count(100) // 3


LATER: list[TransientFailure] = [
    RateLimited("later", http_status=429),
    *(TransientFailure("later", http_status=status) for status in (503, 529, 408)),
]


@pytest.mark.parametrize("later", LATER, ids=lambda each: str(each.http_status))
def test_a_text_with_which_it_is_always_too_early_is_found_and_the_others_get_their_vectors(
    later: TransientFailure,
) -> None:
    def refuse(texts: Sequence[str]) -> None:
        if "bad" in texts:
            raise type(later)(later.what, http_status=later.http_status)

    embedder = patient(HashEmbedder(before=refuse), retry_policy=RetryPolicy(), sleep=lambda _: None)
    texts = [*(f"text {n}" for n in range(20)), "bad"]

    outcomes = list(embedder.each(texts))

    assert [text for text, each in zip(texts, outcomes, strict=True) if isinstance(each, type(later))] == ["bad"]
    assert all(isinstance(each, np.ndarray) for each in outcomes[:20])


@pytest.mark.parametrize("later", LATER, ids=lambda each: str(each.http_status))
def test_a_rate_or_an_overload_that_is_over_blames_no_text(later: TransientFailure) -> None:
    left = iter([True] * 3)

    def refuse(texts: Sequence[str]) -> None:
        if len(texts) > 1 and next(left, False):
            raise type(later)(later.what, http_status=later.http_status)

    inner = HashEmbedder(before=refuse)
    outcomes = list(patient(inner, retry_policy=RetryPolicy(), sleep=lambda _: None).each(["one", "two", "three"]))

    assert all(isinstance(each, np.ndarray) for each in outcomes)
    # Three times refused, the harmless text, and all of it.
    assert inner.meter.spent.requests == 5
