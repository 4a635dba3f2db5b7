"""When a run worked, rested and waited, and how fast it was, by what was noted of it."""

from __future__ import annotations

from typing import Any

import pytest

from ai_memory.reembed.inspect.pace import Pace, Stretch, pace
from ai_memory.stores.course import CLOSED, ENDED, OPENED, TAKEN, TAKEN_OVER, WRITTEN, Moment
from ai_memory.stores.values import Counters, Run
from ai_memory.text.amounts import DAY
from ai_memory.text.times import LAST_MS

S = 1_000


def paced(*moments: Moment, at_work: bool = False, sign: int = 0, rows: int = 0, finished: int | None = None) -> Pace:
    """Return the pace, told at 100 s, of a run of `rows` by now that gave its last sign of life at `sign`."""
    values: dict[str, Any] = dict.fromkeys(Run.__dataclass_fields__, 0)
    values |= {"last_progress_at": sign, "finished_at": finished, "counters": Counters(reembedded=rows)}
    run = Run(**values)
    return pace(moments, run, at_work=at_work, now_ms=100 * S)


def ended(at: int, rows: int, code: int = 75) -> Moment:
    return Moment(at, ENDED, rows, code, "max-rows")


def test_a_start_lasts_from_its_taking_of_the_run_to_its_end() -> None:
    (start,) = paced(Moment(10 * S, TAKEN, 5), Moment(12 * S, WRITTEN, 9), ended(20 * S, 25)).starts

    assert (start.worked, start.rows) == (Stretch(10 * S, 20 * S), 20)
    assert (start.exit_code, start.reason, start.at_work) == (75, "max-rows", False)


def test_a_start_that_was_killed_lasts_to_what_it_noted_last() -> None:
    killed, last = paced(
        Moment(10 * S, TAKEN, 0), Moment(14 * S, WRITTEN, 8), Moment(30 * S, TAKEN_OVER, 11), ended(40 * S, 13)
    ).starts

    # Three more were written after the last note: whoever took the run over found them.
    assert (killed.worked, killed.rows, killed.exit_code) == (Stretch(10 * S, 14 * S), 11, None)
    assert (last.worked, last.rows) == (Stretch(30 * S, 40 * S), 2)


def test_the_last_start_lasts_until_now_if_it_is_at_work_else_to_its_last_sign_of_life() -> None:
    moments = Moment(10 * S, TAKEN, 0), Moment(14 * S, WRITTEN, 8)

    (working,) = paced(*moments, at_work=True, sign=30 * S, rows=9).starts
    (killed,) = paced(*moments, sign=30 * S, rows=9).starts

    assert (working.worked.ended, working.at_work, working.rows) == (100 * S, True, 9)
    assert (killed.worked.ended, killed.at_work, killed.rows) == (30 * S, False, 9)


def test_between_two_starts_lies_a_pause_over_which_no_rate_is_told() -> None:
    found = paced(
        Moment(0, TAKEN, 0),
        Moment(10 * S, WRITTEN, 100),
        ended(10 * S, 100),
        Moment(90 * S, TAKEN, 100),
        ended(95 * S, 200),
    )

    assert found.pauses == [Stretch(10 * S, 90 * S)]
    assert found.worked_ms == 15 * S
    assert found.rates(100) == [(Stretch(0, 10 * S), 10.0), (Stretch(90 * S, 95 * S), 20.0)]


def test_what_a_killed_start_wrote_last_was_written_before_the_pause_and_not_in_it() -> None:
    found = paced(
        Moment(10 * S, TAKEN, 0), Moment(14 * S, WRITTEN, 8), Moment(30 * S, TAKEN_OVER, 11), ended(40 * S, 13)
    )

    assert found.curve == [(10 * S, 0), (14 * S, 8), (14 * S, 11), (30 * S, 11), (40 * S, 13)]


def test_a_curve_has_about_as_many_parts_as_are_asked_for() -> None:
    found = paced(Moment(0, TAKEN, 0), *(Moment(at * S, WRITTEN, at) for at in range(1, 80)), ended(80 * S, 80))

    assert len(found.rates(4)) == 4
    assert [rate for _, rate in found.rates(4)] == pytest.approx([1.0] * 4)
    assert sum(stretch.ms for stretch, _ in found.rates(7)) == 80 * S


def test_rows_that_were_taken_back_are_no_negative_rate() -> None:
    found = paced(Moment(0, TAKEN, 50), Moment(10 * S, WRITTEN, 20), ended(20 * S, 30))

    assert [rate for _, rate in found.rates(10)] == [0.0, 1.0]


def test_the_endpoint_is_away_from_the_first_opening_of_the_breaker_until_it_is_closed() -> None:
    found = paced(
        Moment(0, TAKEN, 0),
        Moment(5 * S, OPENED),
        Moment(20 * S, OPENED),
        Moment(40 * S, CLOSED),
        Moment(60 * S, OPENED),
    )

    # The run is unfinished and the second outage not over.
    assert found.outages == (Stretch(5 * S, 40 * S), Stretch(60 * S, 100 * S))


def test_an_outage_ends_with_the_run_that_was_given_up_in_it() -> None:
    found = paced(Moment(0, TAKEN, 0), Moment(5 * S, OPENED), finished=50 * S)

    assert found.outages == (Stretch(5 * S, 50 * S),)


def test_a_clock_that_is_put_back_does_not_make_time_run_backwards() -> None:
    found = paced(Moment(50 * S, TAKEN, 0), Moment(20 * S, WRITTEN, 10), ended(60 * S, 30))

    assert found.points == ((50 * S, 0), (60 * S, 30))
    assert found.pauses == []


def test_of_a_run_of_an_earlier_release_neither_rows_nor_rate_are_told() -> None:
    found = paced(Moment(0, TAKEN), Moment(50 * S, TAKEN_OVER), finished=60 * S)

    assert (found.points, found.rates(10)) == ((), [])
    assert [each.rows for each in found.starts] == [None, None]


def test_where_no_start_was_noted_none_is_told() -> None:
    assert paced().starts == ()

    found = paced(Moment(10 * S, OPENED, 5), Moment(20 * S, OPENED, 25))

    assert (found.starts, found.pauses, found.worked_ms, found.rates(10)) == ((), [], 0, [])
    assert found.outages == (Stretch(10 * S, 100 * S),)


def test_what_lies_ahead_of_the_clock_by_more_than_a_day_tells_nothing() -> None:
    first, last = Moment(10 * S, TAKEN, 0), ended(20 * S, 25)
    ahead = Moment(LAST_MS, OPENED, 7)

    assert paced(ahead, first, last) == paced(first, last)
    assert paced(first, ahead, last) == paced(first, last)
    assert paced(ahead).points == ()


def test_nothing_lasts_until_a_time_that_the_clock_is_not_near() -> None:
    found = paced(Moment(10 * S, TAKEN, 0), Moment(20 * S, OPENED), sign=LAST_MS, finished=LAST_MS)

    assert found.starts[0].worked.ended == found.outages[0].ended == 100 * S + DAY


def test_a_start_of_a_clock_that_was_put_back_lasts_no_negative_time() -> None:
    (start,) = paced(Moment(200 * S, TAKEN, 0), at_work=True).starts

    assert start.worked.ms == 0
