"""Amounts as people say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.text.amounts import DAY, HOUR, MINUTE, SECOND, ago, counted, money, percent, size, span


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (-5, "0 s"), (999, "0 s"), (38 * SECOND, "38 s"), (MINUTE - 1, "59 s"), (MINUTE, "1 min"), (HOUR - 1, "59 min"),
        (HOUR, "1 h"), (HOUR + 20 * MINUTE, "1 h 20 min"), (9 * HOUR + 59 * MINUTE, "9 h 59 min"), (26 * HOUR, "26 h"),
        (DAY - 1, "23 h 59 min"),
        (2 * DAY, "2 days"), (4000 * DAY, "4,000 days"),
    ],
)  # fmt: skip
def test_a_span_is_said_in_its_largest_unit(ms: int, said: str) -> None:
    assert span(ms) == said


def test_a_time_ahead_of_the_clock_was_just_now() -> None:
    assert (ago(5000, 0), ago(0, 0), ago(0, 2000)) == ("just now", "just now", "2 s ago")


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "0"), (0.0017, "0.0017"), (0.00172, "0.0017"), (0.1, "0.10"), (0.999, "1.00"), (1, "1.00"),
        (1234.5, "1,234.50"), (2e-8, "0.000000020"),
    ],
)  # fmt: skip
def test_money_has_digits_that_tell_something(amount: float, said: str) -> None:
    assert money(amount) == said


@given(st.floats(1e-12, 1e9))
def test_money_that_was_spent_is_never_said_to_be_nothing(amount: float) -> None:
    assert float(money(amount).replace(",", "")) == pytest.approx(amount, rel=0.06)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (37_400_000, "37 MB"), (1_900_000, "1.9 MB"),
        (10**12, "1,000 GB"),
    ],
)  # fmt: skip
def test_a_size_is_said_in_its_largest_unit(count: int, said: str) -> None:
    assert size(count) == said


def test_only_all_is_a_hundred_per_cent() -> None:
    assert [percent(*each) for each in ((1125, 2578), (999_999, 1_000_000), (7, 7), (0, 0), (0, 3))] == [
        43,
        99,
        100,
        100,
        0,
    ]


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (1_234, ("memory",), "1,234 memories"),
        (1, ("memory has", "memories have"), "1 memory has"),
        (2, ("memory has", "memories have"), "2 memories have"),
    ],
)
def test_a_number_agrees_with_what_it_counts(number: int, words: tuple[str, ...], told: str) -> None:
    assert counted(number, *words) == told
