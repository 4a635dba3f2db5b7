"""How long and how often a request is tried again, on a clock of the tests' own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from ai_memory.embed.embedder import Vectors
from ai_memory.embed.retry import ONE_ATTEMPT, Patience, RetryingEmbedder
from ai_memory.errors import (
    AnswerLate,
    AnswerViolation,
    CredentialsRefused,
    EmbedError,
    QuotaExhausted,
    RateLimited,
    RowsRefused,
    TransientFailure,
    WrongTarget,
)
from tests.embed.passing_time import PassingTime
from tests.fakes import HashEmbedder


def failing(*errors: EmbedError, forever: bool = False) -> HashEmbedder:
    """Return an embedder that raises these errors, one a request, before it answers."""
    left = list(errors)

    def before(_texts: Sequence[str]) -> None:
        if left:
            raise left[0] if forever else left.pop(0)

    return HashEmbedder(before=before)


def retrying(
    inner: HashEmbedder, passing: PassingTime, *, stop: threading.Event | None = None, patience: Patience | None = None
) -> RetryingEmbedder:
    return RetryingEmbedder(
        inner, stop=stop or threading.Event(), patience=patience, clock=passing.clock, sleep=passing.sleep
    )


def embed(embedder: RetryingEmbedder) -> Vectors:
    return embedder.embed_documents(["a text"])


@pytest.mark.parametrize("error", [TransientFailure("down."), RateLimited("slow."), AnswerViolation("short.")])
def test_what_may_pass_is_tried_again(error: EmbedError) -> None:
    inner = failing(error, error)
    found = embed(retrying(inner, PassingTime()))

    assert np.array_equal(found, [inner.vector("a text")])
    assert (inner.meter.requests, inner.meter.retries) == (3, 2)


@pytest.mark.parametrize("kind", [RowsRefused, WrongTarget, CredentialsRefused, QuotaExhausted])
def test_what_cannot_pass_is_asked_once(kind: type[EmbedError]) -> None:
    inner, passing = failing(kind("no.")), PassingTime()
    with pytest.raises(kind):
        embed(retrying(inner, passing))

    assert (inner.meter.requests, passing.waits) == (1, [])


def test_a_dead_endpoint_is_given_up_within_the_time_it_has() -> None:
    inner, passing = failing(TransientFailure("down."), forever=True), PassingTime()
    with pytest.raises(TransientFailure, match="down"):
        embed(retrying(inner, passing, patience=Patience(retry_for=300)))

    assert 200 < passing.now <= 300
    assert all(0 <= wait <= 30 for wait in passing.waits)
    assert inner.meter.requests == len(passing.waits) + 1 < 120


def test_waits_are_random_and_grow() -> None:
    inner, passing = failing(TransientFailure("down."), forever=True), PassingTime()
    with pytest.raises(TransientFailure):
        embed(retrying(inner, passing, patience=Patience(retry_for=10_000)))

    assert max(passing.waits[:3]) <= 4 < max(passing.waits)
    assert len(set(passing.waits)) > len(passing.waits) // 2


def test_no_wait_is_shorter_than_the_server_asks() -> None:
    passing = PassingTime()
    embed(retrying(failing(RateLimited("slow.", retry_after=45.0)), passing))

    assert passing.waits == [45.0]


def test_a_wait_longer_than_the_time_left_is_not_begun() -> None:
    inner, passing = failing(RateLimited("slow.", retry_after=121.0)), PassingTime()
    with pytest.raises(RateLimited):
        embed(retrying(inner, passing))

    assert (inner.meter.requests, passing.waits) == (1, [])


def test_a_late_answer_to_several_texts_is_not_asked_for_again() -> None:
    inner = failing(AnswerLate("late."))
    with pytest.raises(AnswerLate):
        embed(retrying(inner, PassingTime()))

    assert inner.meter.requests == 1


def test_a_canary_has_one_attempt() -> None:
    inner = failing(TransientFailure("down."))
    with pytest.raises(TransientFailure):
        embed(retrying(inner, PassingTime()).with_patience(ONE_ATTEMPT))

    assert inner.meter.requests == 1


def test_a_stop_ends_the_wait_and_no_attempt_follows() -> None:
    inner, stop = failing(RateLimited("slow.", retry_after=60.0), forever=True), threading.Event()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(RateLimited):
        embed(RetryingEmbedder(inner, stop=stop))
    timer.join()

    assert time.monotonic() - began < 5
    assert inner.meter.requests == 1


def test_a_stop_that_came_before_lets_one_attempt_happen() -> None:
    stop = threading.Event()
    stop.set()
    inner = failing(TransientFailure("down."))
    with pytest.raises(TransientFailure):
        embed(retrying(inner, PassingTime(), stop=stop))

    assert inner.meter.requests == 1


def test_queries_are_retried_too_and_everything_else_is_the_inner_ones() -> None:
    inner = failing(TransientFailure("down."))
    embedder = retrying(inner, PassingTime())

    assert np.array_equal(embedder.embed_query("a text"), inner.vector("a text"))
    assert (embedder.target, embedder.max_batch, embedder.concurrency) == (inner.target, inner.max_batch, 1)
    assert embedder.meter is inner.meter
