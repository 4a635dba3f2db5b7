"""No request is sent that might cross the limit, whoever sends it and however the last ones ended."""

from __future__ import annotations

import threading

import pytest

from ai_memory.embed.flow.retry import RetryingEmbedder
from ai_memory.embed.flow.token_budget import BudgetedEmbedder, TokenBudget
from ai_memory.embed.port import RetryPolicy, TokenLimit
from ai_memory.embed.usage import Meter, Usage
from ai_memory.errors import (
    AnswerViolation,
    BudgetSpent,
    EmbedError,
    RateLimited,
    RowsRefused,
    TransientFailure,
)
from tests.support.fakes import HashEmbedder

TEXT = "x" * 40
MOST = 44
"""The tokens TEXT can have at most: one a byte, and four around it."""


def requests_until_spent(limit: TokenLimit | None) -> int:
    """Return how many requests of TEXT pass, of which no answer says what it cost."""
    meter = Meter()
    spending = TokenBudget(meter, limit)
    for sent in range(100):
        try:
            with spending.request([TEXT]):
                meter.add(Usage(unreported_bytes=len(TEXT)))
        except BudgetSpent:
            return sent
    return 100


def failed(spending: TokenBudget, error: EmbedError) -> None:
    with pytest.raises(type(error)), spending.request([TEXT]):
        raise error


def test_without_a_limit_every_request_passes() -> None:
    assert requests_until_spent(None) == 100


def test_where_nothing_is_reported_half_a_token_a_byte_is_spent() -> None:
    assert requests_until_spent(TokenLimit(4 * 20 + MOST)) == 5


def test_an_answer_that_reports_nothing_counts_also_beside_others_that_do() -> None:
    spending = TokenBudget(Meter(Usage(tokens=10, unreported_bytes=len(TEXT))), TokenLimit(30 + MOST))

    assert (spending.allows(MOST), spending.allows(MOST + 1)) == (True, False)


def test_what_is_reported_is_spent() -> None:
    meter = Meter()
    spending = TokenBudget(meter, TokenLimit(100))
    with spending.request([TEXT]):
        meter.add(Usage(tokens=10))

    assert (spending.allows(90), spending.allows(91)) == (True, False)


def test_a_text_may_have_a_token_a_byte_and_what_stands_around_it() -> None:
    limit = TokenLimit(1)

    assert TokenBudget(Meter(), limit).most([TEXT, "é"]) == MOST + 6
    assert TokenBudget(Meter(), limit, prefix="search: ").most([TEXT]) == MOST + 8
    assert TokenBudget(Meter(), limit, count_tokens=len).most([TEXT, "é"]) == 41


def test_a_request_that_only_another_in_flight_stands_against_waits_for_what_that_one_costs() -> None:
    meter = Meter()
    spending = TokenBudget(meter, TokenLimit(MOST + 10))
    passed: list[int] = []

    def ask() -> None:
        with spending.request([TEXT]):
            passed.append(meter.spent.tokens)

    waiting = threading.Thread(target=ask)
    with spending.request([TEXT]):
        waiting.start()
        waiting.join(0.05)
        assert passed == []
        meter.add(Usage(tokens=10))
    waiting.join()

    assert passed == [10]


def test_a_request_that_fits_with_nothing_in_flight_no_more_is_refused() -> None:
    spending = TokenBudget(Meter(), TokenLimit(MOST - 1, "max-cost"))

    with pytest.raises(BudgetSpent, match="of at most 44, might cross the 43 that --max-cost allows") as caught:
        failed(spending, TransientFailure("never sent."))
    assert (caught.value.exit_code, caught.value.flag) == (75, "max-cost")


@pytest.mark.parametrize(
    ("error", "charged"),
    [
        (TransientFailure("refused."), False),
        (RateLimited("slow down.", http_status=429), False),
        (RowsRefused("bad.", http_status=400), False),
        (TransientFailure("reset.", in_doubt=True), True),
        (AnswerViolation("too short.", http_status=200, in_doubt=True), True),
        (AnswerViolation("all zero, and counted.", http_status=200), False),
    ],
)
def test_a_request_that_may_have_been_charged_for_is_spent_and_a_refused_one_is_not(
    error: EmbedError, charged: bool
) -> None:
    spending = TokenBudget(Meter(), TokenLimit(MOST))
    failed(spending, error)

    assert spending.allows(MOST) is not charged


def test_a_retry_that_might_cross_the_limit_is_not_sent() -> None:
    def lose(_texts: object) -> None:
        raise TransientFailure("reset.", in_doubt=True)

    inner = HashEmbedder(before=lose)
    spending = TokenBudget(inner.meter, TokenLimit(3 * MOST))
    embedder = RetryingEmbedder(
        BudgetedEmbedder(inner, spending),
        stop=threading.Event(),
        retry_policy=RetryPolicy(),
        sleep=lambda _seconds: None,
    )

    with pytest.raises(BudgetSpent, match="might cross the 132 that --max-tokens allows"):
        embedder.embed_documents([TEXT])
    assert inner.meter.spent.requests == 3


def test_a_query_is_counted_like_a_document() -> None:
    inner = HashEmbedder()
    embedder = BudgetedEmbedder(inner, TokenBudget(inner.meter, TokenLimit(MOST + 19)))
    embedder.embed_query(TEXT)

    with pytest.raises(BudgetSpent):
        embedder.embed_query(TEXT)


def test_threads_together_never_cross_the_limit() -> None:
    meter = Meter()
    spending = TokenBudget(meter, TokenLimit(1000))

    def ask() -> None:
        for _ in range(20):
            try:
                with spending.request([TEXT]):
                    meter.add(Usage(tokens=20))
            except BudgetSpent:
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 940 <= meter.spent.tokens <= 1000
