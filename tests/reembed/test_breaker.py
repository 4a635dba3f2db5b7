"""How long requests are held back after an outage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ai_memory.errors import BreakerOpen, NotFinished
from ai_memory.reembed.breaker import opened, require_due
from ai_memory.stores.values import Breaker, Run
from tests.reembed.plan.test_decide import run_in

NOW_MS = 1_000_000
DAY_MS = 86_400_000


def run_with(breaker: Breaker, *, last_progress_at: int = NOW_MS) -> Run:
    return replace(
        run_in("running"),
        last_progress_at=last_progress_at,
        breaker_state="open" if breaker.open else "closed",
        breaker_until=breaker.until_ms,
        breaker_wait_ms=breaker.wait_ms,
        last_error="the host is gone",
    )


def test_the_wait_begins_at_a_minute_and_doubles_to_a_quarter_of_an_hour() -> None:
    breaker, waits = Breaker(), []
    for _ in range(6):
        breaker = opened(run_with(breaker), now_ms=NOW_MS)
        waits.append((breaker.until_ms - NOW_MS) // 1000)

    assert waits == [60, 120, 240, 480, 900, 900]


@pytest.mark.parametrize(("asked", "kept"), [(0, 60), (59, 60), (3600, 3600), (1e300, 86_400)])
def test_a_pause_that_the_endpoint_asks_for_is_kept_for_a_day_at_most(asked: float, kept: int) -> None:
    breaker = opened(run_with(Breaker()), now_ms=NOW_MS, asked_seconds=asked)

    assert ((breaker.until_ms - NOW_MS) // 1000, breaker.wait_ms) == (kept, 60_000)


def test_an_open_breaker_lets_no_request_through_and_says_for_how_long() -> None:
    run = run_with(Breaker(open=True, until_ms=NOW_MS + 30_500, wait_ms=60_000))

    with pytest.raises(NotFinished, match=r"the host is gone\); it is asked again in 30 s\."):
        require_due(run, now_ms=NOW_MS)


@pytest.mark.parametrize("until", [2**63 - 1, NOW_MS + 365 * DAY_MS, NOW_MS + DAY_MS + 1])
def test_a_stored_wait_is_believed_for_a_day_after_the_last_progress(until: int) -> None:
    run = run_with(Breaker(open=True, until_ms=until, wait_ms=60_000))

    with pytest.raises(BreakerOpen) as refusal:
        require_due(run, now_ms=NOW_MS + 1000)
    assert refusal.value.seconds == 86_399
    assert require_due(run, now_ms=NOW_MS + DAY_MS)


def test_a_breaker_of_a_clock_that_was_ahead_is_due_at_once() -> None:
    ahead = NOW_MS + 365 * DAY_MS
    run = run_with(Breaker(open=True, until_ms=ahead + 60_000, wait_ms=60_000), last_progress_at=ahead)

    assert require_due(run, now_ms=NOW_MS)


@pytest.mark.parametrize("stored", [2**62, -5, -(2**63)])
def test_an_absurd_stored_wait_is_brought_back_into_bounds(stored: int) -> None:
    breaker = opened(run_with(Breaker(open=True, wait_ms=stored)), now_ms=NOW_MS)

    assert 60_000 <= breaker.wait_ms <= 900_000
    assert breaker.until_ms == NOW_MS + breaker.wait_ms


def test_when_its_time_is_over_the_probe_is_a_canary() -> None:
    run = run_with(Breaker(open=True, until_ms=NOW_MS, wait_ms=60_000))

    assert require_due(run, now_ms=NOW_MS)


def test_a_closed_breaker_asks_for_no_canary() -> None:
    assert not require_due(run_with(Breaker()), now_ms=NOW_MS)
