"""What an invocation may still take up: no limit is ever crossed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.embed.flow.token_budget import TokenBudget
from ai_memory.embed.port import TokenLimit
from ai_memory.embed.usage import Meter, Usage
from ai_memory.reembed.doubt import AT_END
from ai_memory.reembed.sweep.budget import Budget, Take
from ai_memory.vectors.witness import WITNESS_TEXTS

APART = sum(len(text.encode()) + 4 for text in (*WITNESS_TEXTS, WITNESS_TEXTS[0]))
"""What is kept for the witness texts, and for a canary."""


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_no_more_rows_are_taken_than_allowed(rows: int) -> None:
    limited = Budget(TokenBudget(Meter()), max_rows=rows)

    assert [limited.take("text") for _ in range(10)].count(Take.TAKEN) == rows
    assert limited.spent == "max-rows"


def test_without_limits_everything_is_taken() -> None:
    unlimited = Budget(TokenBudget(Meter()), max_rows=None)

    assert {unlimited.take("text " * 1000) for _ in range(100)} == {Take.TAKEN}
    assert unlimited.spent == ""


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(1, 4000), st.floats(0.05, 1.0))
def test_reported_tokens_never_cross_the_limit_and_no_request_is_refused(
    sizes: list[int], most: int, density: float
) -> None:
    meter = Meter()
    spending = TokenBudget(meter, TokenLimit(most))
    limited = Budget(spending, max_rows=None)
    in_flight: list[str] = []

    def settle() -> None:
        for text in in_flight:
            with spending.request([text]):
                meter.add(Usage(tokens=int(len(text) * density)))
        limited.settle(in_flight)
        in_flight.clear()

    for number, size in enumerate(sizes):
        text = f"{number} ".ljust(size, "x")
        if (taken := limited.take(text)) is Take.WAIT:
            settle()
            taken = limited.take(text)
        if taken is Take.SPENT:
            break
        in_flight.append(text)
    settle()

    assert meter.spent.tokens <= most


def test_what_is_taken_up_is_reserved_until_it_is_settled() -> None:
    limited = Budget(TokenBudget(Meter(), TokenLimit(200 + APART, "max-cost")), max_rows=None)

    assert limited.take("x" * 150) is Take.TAKEN
    assert limited.take("y" * 150) is Take.WAIT
    assert (limited.tight, limited.spent) == (True, "")
    limited.settle(["x" * 150])
    assert limited.take("y" * 150) is Take.TAKEN
    limited.settle(["y" * 150])
    assert limited.take("z" * 300) is Take.SPENT
    assert (limited.tight, limited.spent) == (False, "max-cost")


def test_what_a_run_asks_beside_its_rows_is_kept_for_it() -> None:
    def taken(most: int) -> Take:
        return Budget(TokenBudget(Meter(), TokenLimit(most)), max_rows=None).take("x" * 10)

    assert (taken(10 + 4 + APART), taken(10 + 3 + APART)) == (Take.TAKEN, Take.SPENT)


def test_what_it_takes_to_ask_for_earlier_texts_at_the_end_is_kept_for_it() -> None:
    longest, *others = earlier = ("x" * 400, "y" * 50, "z" * 10)
    # All of them once, some by themselves, one with a page: each of those may be the longest.
    sent = [longest, *others, *[longest] * AT_END, longest]
    at_end = sum(len(text) + 4 for text in sent)

    def taken(most: int) -> Take:
        limited = Budget(TokenBudget(Meter(), TokenLimit(most)))
        limited.keep_for(earlier)
        return limited.take("x" * 10)

    enough = 10 + 4 + APART + at_end
    assert (taken(enough), taken(enough - 1)) == (Take.TAKEN, Take.SPENT)


def test_the_targets_own_tokenizer_decides_where_it_is_at_hand() -> None:
    apart = sum(len(text.split()) for text in (*WITNESS_TEXTS, WITNESS_TEXTS[0]))
    spending = TokenBudget(Meter(), TokenLimit(3 + apart), count_tokens=lambda text: len(text.split()))
    limited = Budget(spending, max_rows=None)

    assert limited.take("two words") is Take.TAKEN
    assert limited.take("one") is Take.TAKEN
    assert limited.take("more") is Take.WAIT
