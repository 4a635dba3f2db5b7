"""What a sweep shows: a bar on a terminal, a line every half minute elsewhere, nothing when quiet."""

from __future__ import annotations

import io

from ai_memory.show.progress import BarProgress, PlainProgress, SilentProgress, choose_progress
from tests.reembed.work import Clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_place_decides_what_is_shown() -> None:
    clock = Clock()

    assert isinstance(choose_progress(Terminal(), clock, quiet=False), BarProgress)
    assert isinstance(choose_progress(io.StringIO(), clock, quiet=False), PlainProgress)
    assert type(choose_progress(Terminal(), clock, quiet=True)) is SilentProgress


def test_a_plain_line_comes_every_30_seconds_with_rate_and_time_left() -> None:
    clock, err = Clock(), io.StringIO()
    progress = PlainProgress(err, clock)
    progress.begin(total=10_000, label="to fake")
    for _ in range(7):
        clock.advance(10)
        progress.advance(500)

    assert err.getvalue().splitlines() == [
        "to fake: 1,500 of 10,000 rows, 50.0 rows/s, 0:02:50 left",
        "to fake: 3,000 of 10,000 rows, 50.0 rows/s, 0:02:20 left",
    ]


def test_a_bar_shows_rows_and_rate_and_keeps_lines_above_itself() -> None:
    err = Terminal()
    progress = BarProgress(err)
    progress.begin(total=10, label="to fake")
    progress.advance(10)
    progress.say("a warning")
    progress.end()

    assert "to fake: 100%" in err.getvalue()
    assert "rows/s" in err.getvalue()
    assert "a warning\n" in err.getvalue()


def test_rows_that_are_to_be_done_anew_are_more_to_do_and_never_more_than_all_are_done() -> None:
    clock, err, terminal = Clock(), io.StringIO(), Terminal()
    plain, bar = PlainProgress(err, clock), BarProgress(terminal)
    for progress in (plain, bar):
        progress.begin(total=100, label="x")
        progress.advance(100)
        progress.grow(40)
    clock.advance(30)
    for progress in (plain, bar):
        progress.advance(20)
        progress.end()

    assert err.getvalue().splitlines() == ["x: 120 of 140 rows, 4.0 rows/s, 0:00:05 left"]
    assert "120/140" in terminal.getvalue()


def test_quiet_still_says_what_must_be_said() -> None:
    err = io.StringIO()
    progress = SilentProgress(err)
    progress.begin(total=1, label="x")
    progress.advance(1)
    progress.say("a warning")

    assert err.getvalue() == "a warning\n"
