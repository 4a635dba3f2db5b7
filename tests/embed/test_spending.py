"""No request is sent that might cross the limit, whoever sends it and however the last ones ended."""

from __future__ import annotations

import threading

import pytest

from ai_memory.embed.embedder import Meter
from ai_memory.embed.retry import Patience, RetryingEmbedder
from ai_memory.embed.spending import Spending, SpendingEmbedder, TokenLimit
from ai_memory.errors import (
    AnswerViolation,
    BudgetSpent,
    EmbedError,
    RateLimited,
    RowsRefused,
    TransientFailure,
)
from tests.fakes import HashEmbedder

TEXT = "x" * 40
COST = 21
"""What TEXT is estimated at: half a token a byte, and one."""


def requests_until_spent(spending: Spending, *, at_most: int = 100) -> int:
    """Return how many requests of TEXT the spending lets through."""
    for sent in range(at_most):
        try:
            with spending.request([TEXT]):
                pass
        except BudgetSpent:
            return sent
    return at_most


def failed(spending: Spending, error: EmbedError) -> None:
    with pytest.raises(type(error)), spending.request([TEXT]):
        raise error


def test_without_a_limit_every_request_passes() -> None:
    assert requests_until_spent(Spending(Meter())) == 100


def test_where_nothing_is_reported_the_estimates_are_spent() -> None:
    assert requests_until_spent(Spending(Meter(), TokenLimit(5 * COST))) == 5


def test_what_is_reported_is_spent_and_teaches_the_estimate() -> None:
    meter = Meter()
    spending = Spending(meter, TokenLimit(100))
    with spending.request([TEXT]):
        meter.add(tokens=10)

    assert spending.estimate([TEXT]) == 13
    assert (spending.allows(90), spending.allows(91)) == (True, False)


def test_what_is_in_flight_is_held() -> None:
    spending = Spending(Meter(), TokenLimit(2 * COST - 1))

    with spending.request([TEXT]):
        assert requests_until_spent(spending) == 0
    assert requests_until_spent(spending) == 0


@pytest.mark.parametrize(
    ("error", "charged"),
    [
        (TransientFailure("refused."), False),
        (RateLimited("slow down.", http_status=429), False),
        (RowsRefused("bad.", http_status=400), False),
        (TransientFailure("reset.", in_doubt=True), True),
        (AnswerViolation("too short.", http_status=200), True),
    ],
)
def test_a_request_that_may_have_been_charged_for_is_spent_and_a_refused_one_is_not(
    error: EmbedError, charged: bool
) -> None:
    spending = Spending(Meter(), TokenLimit(COST))
    failed(spending, error)

    assert requests_until_spent(spending) == (0 if charged else 1)


def test_a_retry_that_might_cross_the_limit_is_not_sent() -> None:
    def lose(_texts: object) -> None:
        raise TransientFailure("reset.", in_doubt=True)

    inner = HashEmbedder(before=lose)
    spending = Spending(inner.meter, TokenLimit(3 * COST))
    embedder = RetryingEmbedder(
        SpendingEmbedder(inner, spending), stop=threading.Event(), patience=Patience(), sleep=lambda _seconds: None
    )

    with pytest.raises(BudgetSpent, match="might cross the 63 that --max-tokens allows"):
        embedder.embed_documents([TEXT])
    assert inner.meter.requests == 3


def test_a_query_is_counted_like_a_document() -> None:
    inner = HashEmbedder()
    embedder = SpendingEmbedder(inner, Spending(inner.meter, TokenLimit(COST)))
    embedder.embed_query(TEXT)

    with pytest.raises(BudgetSpent):
        embedder.embed_query(TEXT)


def test_threads_together_never_cross_the_limit() -> None:
    meter = Meter()
    spending = Spending(meter, TokenLimit(1000))

    def ask() -> None:
        for _ in range(20):
            try:
                with spending.request([TEXT]):
                    meter.add(tokens=20)
            except BudgetSpent:
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 700 <= meter.tokens <= 1000
