"""A window of each day: open or not, and when it closes or opens next, by the clock on the wall."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_memory.text.window import Window, window_of

NIGHT, LATE = "01:00-05:00", "22:30-04:00"
MINUTE = 60_000


@pytest.fixture(autouse=True)
def summer_time_is_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock of a machine in the middle of Europe."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def window(text: str) -> Window:
    found = window_of(text)
    assert found
    return found


def at(text: str, *, again: bool = False) -> int:
    """Return the Unix milliseconds at which the clock on the wall shows this, for the second time with `again`."""
    return round(datetime.fromisoformat(text).replace(fold=int(again)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "now", "closes"),
    [
        (NIGHT, "2026-01-10T00:59", None),
        (NIGHT, "2026-01-10T01:00", "2026-01-10T05:00"),
        (NIGHT, "2026-01-10T04:59", "2026-01-10T05:00"),
        (NIGHT, "2026-01-10T05:00", None),
        (LATE, "2026-01-10T22:29", None),
        (LATE, "2026-01-10T22:30", "2026-01-11T04:00"),
        (LATE, "2026-12-31T23:59", "2027-01-01T04:00"),
        (LATE, "2026-01-10T00:00", "2026-01-10T04:00"),
        (LATE, "2026-01-10T04:00", None),
    ],
)
def test_it_is_open_from_the_one_time_to_the_other_also_over_midnight(text: str, now: str, closes: str | None) -> None:
    assert window(text).closing(at(now)) == (at(closes) if closes else None)


@pytest.mark.parametrize(
    ("text", "now", "opens"),
    [
        (NIGHT, "2026-01-10T00:30", "2026-01-10T01:00"),
        (NIGHT, "2026-01-10T05:00", "2026-01-11T01:00"),
        (LATE, "2026-12-31T12:00", "2026-12-31T22:30"),
    ],
)
def test_it_opens_next_on_this_day_or_the_following(text: str, now: str, opens: str) -> None:
    assert window(text).opening(at(now)) == at(opens)


def test_a_night_in_which_the_clock_is_set_is_an_hour_shorter_or_longer() -> None:
    spring, autumn = at("2026-03-29T01:00"), at("2026-10-25T01:00")

    assert (window(NIGHT).closing(spring) or 0) - spring == 3 * 60 * MINUTE
    assert (window(NIGHT).closing(autumn) or 0) - autumn == 5 * 60 * MINUTE


def test_an_hour_that_the_clock_shows_twice_does_not_close_what_closed() -> None:
    second = at("2026-10-25T02:15", again=True)

    assert window("01:00-02:30").closing(second) == second + 15 * MINUTE


@given(
    st.times().map(lambda each: f"{each:%H:%M}"),
    st.times().map(lambda each: f"{each:%H:%M}"),
    st.integers(at("2026-01-01T00:00"), at("2028-01-01T00:00")),
)
def test_it_closes_after_now_and_opens_after_now(opens: str, closes: str, now_ms: int) -> None:
    found = window_of(f"{opens}-{closes}")
    if found is None:
        assert opens == closes
        return
    closing = found.closing(now_ms)
    assert str(found) == f"{opens}-{closes}"
    assert found.opening(now_ms) >= now_ms - 60 * MINUTE
    assert closing is None or now_ms <= closing <= now_ms + 25 * 60 * MINUTE


@pytest.mark.parametrize("text", ["", "01:00", "1-5", "01:00-24:00", "01:60-05:00", "01:00-01:00", "01:00 - 05:00"])
def test_what_is_no_window_is_none(text: str) -> None:
    assert window_of(text) is None
