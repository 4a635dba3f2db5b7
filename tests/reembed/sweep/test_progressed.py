"""The rate of a run is an average over its last minutes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ai_memory.reembed.sweep.progressed import Rate


def test_nothing_measured_is_no_rate() -> None:
    assert Rate(5.0).per_hour == 0
    assert Rate(5.0).after(100, 5.0).per_hour == 0


def test_pages_that_come_in_bursts_count_as_their_sum() -> None:
    rate = Rate(0.0)
    for second in range(10, 101, 10):
        rate = rate.after(5, float(second)).after(5, float(second))

    assert 3500 < rate.per_hour < 3700


def test_an_hour_ago_is_forgotten() -> None:
    rate = Rate(0.0).after(10_000, 1.0)
    for second in range(2, 3602):
        rate = rate.after(1, float(second))

    assert rate.per_hour == 3600


def test_a_clock_that_goes_back_is_no_time() -> None:
    assert Rate(100.0).after(10, 50.0).per_hour == 0


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0.001, 1000)), min_size=1, max_size=30))
def test_the_rate_lies_between_the_slowest_and_the_fastest_page(pages: list[tuple[int, float]]) -> None:
    rate, now = Rate(0.0), 0.0
    for rows, seconds in pages:
        now += seconds
        rate = rate.after(rows, now)

    each = [3600 * rows / seconds for rows, seconds in pages]
    assert min(each) * 0.99 - 1 <= rate.per_hour <= max(each) * 1.01 + 1
