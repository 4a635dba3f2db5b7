"""What an invocation may still take up: no limit is ever crossed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.embed.embedder import Meter
from ai_memory.embed.spending import Spending, TokenLimit
from ai_memory.reembed.budget import Budget


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_no_more_rows_are_taken_than_allowed(rows: int) -> None:
    limited = Budget(Spending(Meter()), max_rows=rows)

    assert sum(limited.take("text") for _ in range(10)) == rows
    assert limited.spent == "max-rows"


def test_without_limits_everything_is_taken() -> None:
    unlimited = Budget(Spending(Meter()), max_rows=None)

    assert all(unlimited.take("text " * 1000) for _ in range(100))
    assert unlimited.spent == ""


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(1, 1000), st.sampled_from([0.1, 0.25, 0.4]))
def test_reported_tokens_never_cross_the_limit_while_texts_are_of_one_kind(
    sizes: list[int], most: int, density: float
) -> None:
    meter = Meter()
    spending = Spending(meter, TokenLimit(most))
    limited = Budget(spending, max_rows=None)
    for number, size in enumerate(sizes):
        text = f"{number} ".ljust(size, "x")
        if not limited.take(text):
            assert limited.spent == "max-tokens"
            break
        with spending.request([text]):
            meter.add(tokens=int(len(text) * density))
        limited.settle([text])

    assert meter.tokens <= most


def test_what_is_taken_up_is_reserved_until_it_is_settled() -> None:
    limited = Budget(Spending(Meter(), TokenLimit(100, "max-cost")), max_rows=None)

    assert limited.take("x" * 150)
    assert not limited.take("y" * 150)
    assert limited.spent == "max-cost"
    limited.settle(["x" * 150])
    assert limited.take("y" * 150)


def test_the_targets_own_tokenizer_decides_where_it_is_at_hand() -> None:
    limit = TokenLimit(3, count_tokens=lambda text: len(text.split()))
    limited = Budget(Spending(Meter(), limit), max_rows=None)

    assert limited.take("two words")
    assert limited.take("one")
    assert not limited.take("more")
