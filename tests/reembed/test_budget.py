"""What an invocation may still send: no limit is ever crossed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.embed.embedder import Meter
from ai_memory.reembed.budget import Budget


def budget(meter: Meter, *, rows: int | None = None, tokens: int | None = None) -> Budget:
    return Budget(meter, max_rows=rows, max_tokens=tokens)


def test_without_limits_everything_is_taken() -> None:
    unlimited = budget(Meter())

    assert all(unlimited.take("text " * 1000) for _ in range(100))
    assert unlimited.spent == ""


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_no_more_rows_are_taken_than_allowed(rows: int) -> None:
    limited = budget(Meter(), rows=rows)

    assert sum(limited.take("text") for _ in range(10)) == rows
    assert limited.spent == "max-rows"


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(1, 1000), st.sampled_from([0.1, 0.25, 0.4]))
def test_reported_tokens_never_cross_the_limit_while_texts_are_of_one_kind(
    sizes: list[int], limit: int, density: float
) -> None:
    meter = Meter()
    limited = budget(meter, tokens=limit)
    for size in sizes:
        text = "x" * size
        if not limited.take(text):
            assert limited.spent == "max-tokens"
            break
        meter.add(tokens=int(size * density))
        limited.settle([text])

    assert meter.tokens <= limit


def test_what_is_in_flight_is_reserved() -> None:
    limited = budget(Meter(), tokens=100)

    assert limited.take("x" * 150)
    assert not limited.take("x" * 150)


def test_where_nothing_is_reported_the_estimates_are_spent() -> None:
    limited = budget(Meter(), tokens=100)
    taken = 0
    while limited.take("x" * 40):
        limited.settle(["x" * 40])
        taken += 1

    assert taken == 100 // 21


def test_the_targets_own_tokenizer_decides_where_it_is_at_hand() -> None:
    limited = Budget(Meter(), max_rows=None, max_tokens=3, count_tokens=lambda text: len(text.split()))

    assert limited.take("two words")
    assert limited.take("one")
    assert not limited.take("more")
