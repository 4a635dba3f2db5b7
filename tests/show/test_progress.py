"""What a sweep shows: a bar on a terminal, a line every half minute elsewhere, nothing when quiet."""

from __future__ import annotations

import io
import os
import termios
from contextlib import suppress

import pytest

from ai_memory.embed.usage import Usage
from ai_memory.reembed.events import Spell
from ai_memory.show.console import Console
from ai_memory.show.progress import BarProgress, PlainProgress, SilentProgress, choose_progress
from ai_memory.show.screen import look_of
from ai_memory.text.times import instant
from tests.reembed.work import NOW_MS, Clock

AT_30, AT_60 = instant(NOW_MS + 30_000), instant(NOW_MS + 60_000)


def read_all(descriptor: int) -> str:
    """Return what a terminal has been sent so far."""
    os.set_blocking(descriptor, False)
    found = b""
    with suppress(BlockingIOError):
        while read := os.read(descriptor, 65_536):
            found += read
    return found.decode()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "term", "quiet", "kind"),
    [
        (Terminal(), "xterm", False, BarProgress),
        (Terminal(), "dumb", False, PlainProgress),
        (io.StringIO(), "xterm", False, PlainProgress),
        (Terminal(), "xterm", True, SilentProgress),
    ],
)
def test_the_place_decides_what_is_shown(stderr: io.StringIO, term: str, quiet: bool, kind: type) -> None:
    console = Console(stderr=stderr, look=look_of({"TERM": term}))

    assert type(choose_progress(console.err, Clock(), quiet=quiet)) is kind


def test_a_plain_line_comes_every_30_seconds_with_rate_and_time_left() -> None:
    clock, err = Clock(), io.StringIO()
    progress = PlainProgress(err, clock)
    progress.begin(total=10_000, label="to fake")
    for _ in range(7):
        clock.advance(10)
        progress.advance(500)

    assert err.getvalue().splitlines() == [
        f"{AT_30} to fake: 1,500 of 10,000 rows, 50.0 rows/s, 0:02:50 left",
        f"{AT_60} to fake: 3,000 of 10,000 rows, 50.0 rows/s, 0:02:20 left",
    ]


def test_a_bar_shows_rows_and_rate_and_keeps_lines_above_itself() -> None:
    err = Terminal()
    progress = BarProgress(err, Clock())
    progress.begin(total=10, label="to fake")
    progress.advance(10)
    progress.say("a warning")
    progress.end()

    assert "to fake: 100%" in err.getvalue()
    assert "rows/s" in err.getvalue()
    assert "a warning\n" in err.getvalue()


def test_a_bar_and_a_plain_line_tell_the_same_rate_and_time_left_also_where_pages_come_in_bursts() -> None:
    clock, err, terminal = Clock(), io.StringIO(), Terminal()
    plain, bar = PlainProgress(err, clock), BarProgress(terminal, clock)
    for progress in (plain, bar):
        progress.begin(total=10_000, label="x")
    for seconds in (14.9, 0.1, 14.9, 0.1):
        clock.advance(seconds)
        for progress in (plain, bar):
            progress.advance(100)
    bar.wait(failing=False)
    drawn = terminal.getvalue().split("\r")[-1]
    bar.end()

    assert err.getvalue() == f"{AT_30} x: 400 of 10,000 rows, 13.3 rows/s, 0:12:00 left\n"
    assert "<0:12:00, 13.3 rows/s]" in drawn


def test_a_bar_that_has_ended_says_that_nothing_is_left() -> None:
    clock, terminal = Clock(), Terminal()
    bar = BarProgress(terminal, clock)
    bar.begin(total=300, label="x")
    for seconds in (10, 0.1, 0.1):
        clock.advance(seconds)
        bar.advance(100)
    bar.end()

    assert "100%" in terminal.getvalue().split("\r")[-1]
    assert "<0:00:00, 29.4 rows/s]" in terminal.getvalue().split("\r")[-1]


def test_rows_that_are_to_be_done_anew_are_more_to_do_and_never_more_than_all_are_done() -> None:
    clock, err, terminal = Clock(), io.StringIO(), Terminal()
    plain, bar = PlainProgress(err, clock), BarProgress(terminal, clock)
    for progress in (plain, bar):
        progress.begin(total=100, label="x")
        progress.advance(100)
        progress.grow(40)
    clock.advance(30)
    for progress in (plain, bar):
        progress.advance(20)
        progress.end()

    assert err.getvalue().splitlines() == [f"{AT_30} x: 120 of 140 rows, 4.0 rows/s, 0:00:05 left"]
    assert "120/140" in terminal.getvalue()


def test_quiet_still_says_what_must_be_said() -> None:
    err = io.StringIO()
    progress = SilentProgress(err)
    progress.begin(total=1, label="x")
    progress.advance(1)
    progress.say("a warning")

    assert err.getvalue() == "a warning\n"


@pytest.mark.parametrize(
    ("spell", "holder"),
    [
        (Spell(10, 8, 1, Usage(tokens=5_000, asking=30)), "the endpoint"),
        (Spell(10, 8, 1, Usage(tokens=5_000, asking=4, paced=26)), "the endpoint's rate limit"),
        (Spell(10, 8, 1, Usage(tokens=5_000, computed=5_000, seconds=8)), "the model"),
        (Spell(10, 2, 7, Usage(tokens=5_000, asking=4, paced=26)), "writing to the database"),
        (Spell(10, 2, 1, Usage(tokens=5_000, asking=4, paced=26)), "reading the database"),
    ],
)
def test_it_says_what_most_of_the_time_goes_into(spell: Spell, holder: str) -> None:
    clock, err, terminal = Clock(), io.StringIO(), Terminal()
    plain, bar = PlainProgress(err, clock), BarProgress(terminal, clock)
    for progress in (plain, bar):
        progress.begin(total=10_000, label="to fake")
    for _ in range(3):
        clock.advance(10)
        for progress in (plain, bar):
            progress.advance(100, spell)
    bar.end()

    line = f"{AT_30} to fake: 300 of 10,000 rows, 10.0 rows/s, 500 tokens/s, 0:16:10 left; held back by {holder}\n"
    assert err.getvalue() == line
    assert f"500 tokens/s, {holder}" in terminal.getvalue()


@pytest.mark.parametrize("columns", [50, 60, 80, 120])
@pytest.mark.parametrize("failing", [True, False])
def test_a_narrow_terminal_has_less_of_a_bar_but_always_what_it_waits_for(columns: int, failing: bool) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (25, columns))
    clock = Clock()
    with open(theirs, "w") as screen:  # noqa: PTH123 - a descriptor
        progress = BarProgress(screen, clock)
        progress.begin(total=1_000_000, label="to sentence-transformers/all-MiniLM-L6-v2")
        for _ in range(3):
            clock.advance(10)
            progress.advance(100_000, Spell(10, 8, 1, Usage(tokens=5_000_000, asking=4, paced=26)))
        progress.wait(failing=failing)
        drawn = read_all(ours).split("\r")
        progress.end()
    os.close(ours)

    last = next(each for each in reversed(drawn) if each.strip())
    assert ("refused or failing requests" if failing else "the endpoint's rate limit") in last
    assert max(map(len, drawn)) <= columns
    assert ("500,000 tokens/s" in last, "to sentence" in last) == (columns == 120, False)


def test_the_rate_is_that_of_the_last_two_minutes() -> None:
    clock, err = Clock(), io.StringIO()
    progress = PlainProgress(err, clock)
    progress.begin(total=10_000, label="x")
    clock.advance(3_600)
    progress.advance(1_000)
    clock.advance(130)
    progress.advance(120)

    assert [line.split(", ")[1] for line in err.getvalue().splitlines()] == ["8.3 rows/s", "1.0 rows/s"]


def test_a_wait_of_minutes_is_told_of_every_30_seconds_without_a_time_left_that_nobody_knows() -> None:
    clock, err = Clock(), io.StringIO()
    progress = PlainProgress(err, clock)
    progress.begin(total=10_000, label="x")
    progress.advance(100, Spell(1, 1, 0, Usage(asking=1)))
    for _ in range(100):
        clock.advance(2)
        progress.wait(failing=False)
    progress.wait(failing=True)
    clock.advance(30)
    progress.wait(failing=True)

    lines = [line.partition(" ")[2] for line in err.getvalue().splitlines()]
    assert lines[0] == "x: 100 of 10,000 rows, 3.3 rows/s, 0:49:30 left; held back by the endpoint"
    assert lines[4:] == [
        "x: 100 of 10,000 rows, 0.0 rows/s",
        "x: 100 of 10,000 rows, 0.0 rows/s",
        "x: 100 of 10,000 rows, 0.0 rows/s; held back by refused or failing requests",
    ]
