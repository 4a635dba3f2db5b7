"""How long and how often a request is tried again, on a clock of the tests' own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from ai_memory.embed.flow.concurrency import ConcurrencyLimiter, LimitedEmbedder
from ai_memory.embed.flow.observed_limiter import ObservedLimiter
from ai_memory.embed.flow.retry import ALIKE, RetryingEmbedder
from ai_memory.embed.port import ONE_ATTEMPT, RetryPolicy
from ai_memory.errors import (
    AnswerLate,
    AnswerViolation,
    Breakdown,
    CredentialsRefused,
    EmbedError,
    QuotaExhausted,
    RateLimited,
    RowsRefused,
    TransientFailure,
    VectorsBroken,
    WrongTarget,
)
from ai_memory.vectors.target import Vectors
from ai_memory.vectors.witness import CANARY
from tests.embed.flow.passing_time import PassingTime
from tests.support.fakes import HashEmbedder

TEXTS = ["one", "two"]


def failing(*errors: EmbedError, forever: bool = False) -> HashEmbedder:
    """Return an embedder that raises these errors, one per request, before it answers."""
    left = list(errors)

    def before(_texts: Sequence[str]) -> None:
        if left:
            raise left[0] if forever else left.pop(0)

    return HashEmbedder(before=before)


def retrying(
    inner: HashEmbedder,
    passing: PassingTime,
    *,
    stop: threading.Event | None = None,
    retry_policy: RetryPolicy | None = None,
) -> RetryingEmbedder:
    return RetryingEmbedder(
        inner, stop=stop or threading.Event(), retry_policy=retry_policy, clock=passing.clock, sleep=passing.sleep
    )


def embed(embedder: RetryingEmbedder) -> Vectors:
    return embedder.embed_documents(["a text"])


@pytest.mark.parametrize("error", [TransientFailure("down."), RateLimited("slow."), AnswerViolation("short.")])
def test_what_may_pass_is_tried_again(error: EmbedError) -> None:
    inner = failing(error, error)
    found = retrying(inner, PassingTime()).embed_documents(TEXTS)

    assert np.array_equal(found, [inner.vector(text) for text in TEXTS])
    assert (inner.meter.spent.requests, inner.meter.spent.retries) == (3, 2)


def breaking(error: EmbedError, *bad: str) -> HashEmbedder:
    """Return an embedder that raises `error` for each request with one of these texts."""

    def before(texts: Sequence[str]) -> None:
        if set(texts) & set(bad):
            raise type(error)(error.what, http_status=error.http_status)

    return HashEmbedder(before=before)


@pytest.mark.parametrize("error", [Breakdown("broke.", http_status=500), AnswerViolation("short.")])
def test_three_failures_of_one_kind_are_enough_where_a_harmless_text_passes(error: EmbedError) -> None:
    inner = breaking(error, "one")
    with pytest.raises(type(error)) as caught:
        retrying(inner, PassingTime()).embed_documents(TEXTS)

    assert caught.value.harmless_passed
    assert (inner.meter.spent.requests, inner.meter.spent.retries) == (4, 2)


@pytest.mark.parametrize(("error", "harmless"), [(Breakdown("broke."), ("one", CANARY)), (TransientFailure("no."), ())])
def test_an_endpoint_that_is_away_has_all_the_time_there_is(error: EmbedError, harmless: tuple[str, ...]) -> None:
    inner, passing = breaking(error, "one", *harmless), PassingTime()
    with pytest.raises(type(error)) as caught:
        retrying(inner, passing, retry_policy=RetryPolicy(retry_for=300)).embed_documents(TEXTS)

    assert passing.now > 200
    assert not caught.value.harmless_passed
    assert inner.meter.spent.requests <= 1 + inner.meter.spent.retries * 4 / 3 + 1


def test_failures_of_several_kinds_are_no_sign() -> None:
    inner = failing(
        Breakdown("a.", http_status=500), Breakdown("b.", http_status=424), Breakdown("c.", http_status=500)
    )

    assert len(retrying(inner, PassingTime()).embed_documents(TEXTS)) == 2
    assert inner.meter.spent.requests == 4


def test_the_wait_for_which_the_harmless_text_is_refused_is_kept() -> None:
    away, passing = TransientFailure("no.", http_status=503), PassingTime()
    inner = failing(away, away, away, RateLimited("too many.", http_status=429, retry_after=7.0))

    embed(retrying(inner, passing))

    assert len(passing.waits) == 3
    assert passing.waits[-1] >= 7.0


def test_a_single_text_without_a_vector_is_decided_by_the_harmless_one_at_once() -> None:
    inner = breaking(AnswerViolation("zero."), "a text")
    with pytest.raises(AnswerViolation) as caught:
        embed(retrying(inner, PassingTime()))

    assert caught.value.harmless_passed
    assert inner.meter.spent.requests == 2


def test_an_endpoint_without_a_vector_for_a_harmless_text_is_asked_again_as_long_as_there_is_time() -> None:
    inner, passing = breaking(AnswerViolation("zero."), "a text", CANARY), PassingTime()
    with pytest.raises(AnswerViolation):
        embed(retrying(inner, passing))

    assert passing.now > 60


def test_vectors_of_which_some_are_broken_are_not_asked_for_again() -> None:
    inner = failing(VectorsBroken("nan.", vectors=np.zeros((2, 16), np.float32), broken=[1]))
    with pytest.raises(VectorsBroken):
        retrying(inner, PassingTime()).embed_documents(TEXTS)

    assert inner.meter.spent.requests == 1


def test_at_once_what_may_be_the_texts_fault_is_not_retried_and_all_else_is() -> None:
    broken, away = failing(Breakdown("broke.")), failing(TransientFailure("away."))
    with pytest.raises(Breakdown):
        retrying(broken, PassingTime()).at_once().embed_documents(TEXTS)
    retrying(away, PassingTime()).at_once().embed_documents(TEXTS)

    assert (broken.meter.spent.requests, away.meter.spent.requests) == (1, 2)


@pytest.mark.parametrize("kind", [RowsRefused, WrongTarget, CredentialsRefused, QuotaExhausted])
def test_what_cannot_pass_is_asked_once(kind: type[EmbedError]) -> None:
    inner, passing = failing(kind("no.")), PassingTime()
    with pytest.raises(kind):
        embed(retrying(inner, passing))

    assert (inner.meter.spent.requests, passing.waits) == (1, [])


def test_a_dead_endpoint_is_given_up_within_the_time_it_has() -> None:
    inner, passing = failing(TransientFailure("down."), forever=True), PassingTime()
    with pytest.raises(TransientFailure, match="down"):
        embed(retrying(inner, passing, retry_policy=RetryPolicy(retry_for=300)))

    assert 200 < passing.now <= 300
    assert all(0 <= wait <= 30 for wait in passing.waits)
    assert inner.meter.spent.requests == len(passing.waits) + 1 < 120


def test_waits_are_random_and_grow() -> None:
    inner, passing = failing(TransientFailure("down."), forever=True), PassingTime()
    with pytest.raises(TransientFailure):
        embed(retrying(inner, passing, retry_policy=RetryPolicy(retry_for=10_000)))

    assert max(passing.waits[:3]) <= 4 < max(passing.waits)
    assert len(set(passing.waits)) > len(passing.waits) // 2


def test_no_wait_is_shorter_than_the_server_asks() -> None:
    passing = PassingTime()
    embed(retrying(failing(RateLimited("slow.", retry_after=45.0)), passing))

    assert passing.waits == [45.0]


def test_a_wait_of_our_own_after_one_that_was_named_is_only_begun_in_the_time_left() -> None:
    error = RateLimited("slow.", retry_after=0.01)
    error.pause = 5.0
    inner, passing = failing(error, forever=True), PassingTime()
    with pytest.raises(RateLimited):
        embed(retrying(inner, passing, retry_policy=RetryPolicy(retry_for=3.0)))

    assert passing.waits == []


def test_a_wait_longer_than_the_time_left_is_not_begun() -> None:
    inner, passing = failing(RateLimited("slow.", retry_after=121.0)), PassingTime()
    with pytest.raises(RateLimited):
        embed(retrying(inner, passing))

    assert (inner.meter.spent.requests, passing.waits) == (1, [])


def test_a_late_answer_to_several_texts_is_not_asked_for_again() -> None:
    inner = failing(AnswerLate("late."))
    with pytest.raises(AnswerLate):
        embed(retrying(inner, PassingTime()))

    assert inner.meter.spent.requests == 1


def test_a_canary_has_one_attempt() -> None:
    inner = failing(TransientFailure("down."))
    with pytest.raises(TransientFailure):
        embed(retrying(inner, PassingTime()).with_retry_policy(ONE_ATTEMPT))

    assert inner.meter.spent.requests == 1


def test_a_rate_that_refuses_the_harmless_text_too_is_not_forgotten() -> None:
    passing, stop, told = PassingTime(), threading.Event(), list[str]()
    limiter = ObservedLimiter(
        ConcurrencyLimiter(most=1, fixed=True, stop=stop, clock=passing.clock), told.append, clock=passing.clock
    )
    limited = LimitedEmbedder(failing(RateLimited("slow."), forever=True), limiter)
    with pytest.raises(RateLimited):
        embed(
            RetryingEmbedder(
                limited,
                stop=stop,
                retry_policy=RetryPolicy(retry_for=20),
                limiter=limiter,
                clock=passing.clock,
                sleep=passing.sleep,
            )
        )

    assert len(passing.waits) > ALIKE
    assert passing.waits == sorted(passing.waits)
    assert not [line for line in told if "passed at once" in line]


def test_a_stop_ends_the_wait_and_no_attempt_follows() -> None:
    inner, stop = failing(RateLimited("slow.", retry_after=60.0), forever=True), threading.Event()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(RateLimited):
        embed(RetryingEmbedder(inner, stop=stop))
    timer.join()

    assert time.monotonic() - began < 5
    assert inner.meter.spent.requests == 1


def test_a_stop_that_came_before_lets_one_attempt_happen() -> None:
    stop = threading.Event()
    stop.set()
    inner = failing(TransientFailure("down."))
    with pytest.raises(TransientFailure):
        embed(retrying(inner, PassingTime(), stop=stop))

    assert inner.meter.spent.requests == 1


def test_queries_are_retried_too_and_everything_else_is_the_inner_ones() -> None:
    inner = failing(TransientFailure("down."))
    embedder = retrying(inner, PassingTime())

    assert np.array_equal(embedder.embed_query("a text"), inner.vector("a text"))
    assert (embedder.target, embedder.max_batch, embedder.concurrency) == (inner.target, inner.max_batch, 1)
    assert embedder.meter is inner.meter
