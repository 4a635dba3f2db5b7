"""Shows how a sweep gets on: a bar on a terminal, a plain line every 30 seconds elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ai_memory.show.speed import STEP_S, Reading, Speed
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from ai_memory.clock import Clock
    from ai_memory.reembed.events import Spell

PLAIN_INTERVAL_S = 30.0
FAILING = "refused or failing requests"


class Stream(Protocol):
    """Where progress is shown; it never fails."""

    def write(self, text: str, /) -> object:
        """Write a text."""

    def flush(self) -> object:
        """Send what was written on its way."""


class Screen(Stream, Protocol):
    """A stream that may be a terminal."""

    def takes_bar(self) -> bool:
        """Return whether a bar can be drawn on it, for a person to see."""


class Progress(Protocol):
    """What a sweep tells while it runs."""

    def begin(self, *, total: int, label: str, unit: str = "rows") -> None:
        """Record that `total` rows, or what `unit` says, are to be done."""

    def advance(self, rows: int, spell: Spell | None = None) -> None:
        """Record that `rows` more are done, and how the time went that they took (None: nobody knows)."""

    def wait(self, *, failing: bool) -> None:
        """Record that an answer is waited for, and whether it is one to a request that failed before."""

    def grow(self, rows: int) -> None:
        """Record that `rows` more are to be done."""

    def note(self, text: str) -> None:
        """Show one line that need not be seen."""

    def say(self, text: str) -> None:
        """Show one line that is not progress."""

    def end(self) -> None:
        """Record that nothing more will come."""


class SilentProgress:
    """Shows only what must be said."""

    def __init__(self, err: Stream) -> None:
        """Write to `err`."""
        self._err = err

    def begin(self, *, total: int, label: str, unit: str = "rows") -> None:
        """Show nothing."""

    def advance(self, rows: int, spell: Spell | None = None) -> None:
        """Show nothing."""

    def wait(self, *, failing: bool) -> None:
        """Show nothing."""

    def grow(self, rows: int) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Print the line."""
        # In one piece: requests are told of by other threads.
        self._err.write(f"{' '.join(text.split())}\n")
        self._err.flush()

    def end(self) -> None:
        """Show nothing."""


class NoProgress(SilentProgress):
    """Shows nothing at all."""

    def say(self, text: str) -> None:
        """Show nothing."""


class PlainProgress(SilentProgress):
    """One line every 30 seconds: rows done, rows and tokens per second, time left, and what holds the work back."""

    def __init__(self, err: Stream, clock: Clock) -> None:
        """Write to `err`, by the time of `clock`."""
        super().__init__(err)
        self._clock = clock
        self._total = self._done = 0
        self._label, self._unit = "", "rows"
        self._said = clock.monotonic()
        self._speed: Speed | None = None

    def begin(self, *, total: int, label: str, unit: str = "rows") -> None:
        """Record that `total` rows, or what `unit` says, are to be done."""
        self._total, self._done, self._label, self._unit = total, 0, label, unit
        self._said = self._clock.monotonic()
        self._speed = Speed(self._said)

    def advance(self, rows: int, spell: Spell | None = None) -> None:
        """Record that `rows` more are done; print a line if the last one is 30 seconds old."""
        self._done += rows
        if self._speed:
            self._speed.advance(self._clock.monotonic(), rows, spell)
            self._tell(self._speed, failing=False)

    def wait(self, *, failing: bool) -> None:
        """Print a line if the last one is 30 seconds old."""
        if self._speed:
            self._tell(self._speed, failing=failing)

    def end(self) -> None:
        """Record that nothing more will come."""
        self._speed = None

    def _tell(self, speed: Speed, *, failing: bool) -> None:
        now = self._clock.monotonic()
        if now - self._said < PLAIN_INTERVAL_S:
            return
        self._said = now
        found = speed.read(now)
        done = f"{self._done:,} of {self._total:,} {self._unit}, {found.rows:,.1f} {self._unit}/s"
        tokens = f", {found.tokens:,.0f} tokens/s" if found.tokens else ""
        left = f", {_duration(max(self._total - self._done, 0) / found.rows)} left" if found.rows else ""
        holder = FAILING if failing else found.held_back_by
        held = f"; held back by {holder}" if holder else ""
        self.say(f"{instant(self._clock.now_ms())} {self._label}: {done}{tokens}{left}{held}")

    def grow(self, rows: int) -> None:
        """Record that `rows` more are to be done."""
        self._total += rows

    def note(self, text: str) -> None:
        """Print the line."""
        self.say(text)


SPARE = 3
"""Columns by which a bar may grow until it is fitted anew."""
FORMS = (
    ("{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<LEFT, RATE{postfix}]", True),
    ("{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<LEFT, RATE{postfix}]", True),
    ("{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [LEFT left, RATE{postfix}]", False),
    ("{percentage:3.0f}% {n_fmt}/{total_fmt}, LEFT left{postfix}", False),
    ("{percentage:3.0f}%, LEFT left{postfix}", False),
)
"""How tqdm lays a bar out, and whether tokens per second are told: the first one is taken that fits the terminal.

RATE and LEFT are ours: tqdm's own weigh the last page most, and pages that are committed together come at once.
"""
UNKNOWN = Reading(0.0, 0.0, "")


class BarProgress(SilentProgress):
    """A bar by tqdm, with rows per second and the time left; behind them tokens per second and what it waits for.

    A narrow terminal has less of it, but always what it waits for.
    """

    def __init__(self, err: Stream, clock: Clock) -> None:
        """Draw on `err`, by the time of `clock`."""
        super().__init__(err)
        self._clock = clock
        self._speed, self._said = Speed(clock.monotonic()), 0.0
        self._bar: Any = None

    def begin(self, *, total: int, label: str, unit: str = "rows") -> None:
        """Draw the empty bar."""
        from tqdm import tqdm

        self.end()
        self._speed, self._said = Speed(self._clock.monotonic()), 0.0
        self._bar = tqdm(
            total=total, desc=label, unit=f" {unit}", file=self._err, dynamic_ncols=True, bar_format=FORMS[-1][0]
        )
        self._fit(UNKNOWN, "")
        self._bar.refresh()

    def advance(self, rows: int, spell: Spell | None = None) -> None:
        """Draw the bar `rows` longer."""
        if self._bar is not None:
            now = self._clock.monotonic()
            self._speed.advance(now, rows, spell)
            # Before the figures are said: the time left is for what is left now.
            self._bar.n += rows
            if now - self._said >= STEP_S:
                self._say_behind(now, failing=False)
            self._bar.update(0)

    def wait(self, *, failing: bool) -> None:
        """Draw the bar anew, that its time may be seen to pass."""
        if self._bar is not None:
            self._say_behind(self._clock.monotonic(), failing=failing)
            self._bar.refresh()

    def grow(self, rows: int) -> None:
        """Draw the bar for `rows` more."""
        if self._bar is not None:
            self._bar.total += rows
            self._bar.refresh()

    def note(self, text: str) -> None:
        """Print the line above the bar."""
        self.say(text)

    def say(self, text: str) -> None:
        """Print the line above the bar."""
        if self._bar is None:
            super().say(text)
        else:
            self._bar.write(" ".join(text.split()), file=self._err)

    def end(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._say_behind(self._clock.monotonic(), failing=False)
            self._bar.close()
            self._bar = None

    def _say_behind(self, now: float, *, failing: bool) -> None:
        self._said, found = now, self._speed.read(now)
        self._fit(found, FAILING if failing else found.held_back_by)

    def _fit(self, found: Reading, holder: str) -> None:
        """Lay the bar out for the width that the terminal has now."""
        rate = f"{found.rows:,.1f}{self._bar.unit}/s" if found.rows else f"?{self._bar.unit}/s"
        left = _duration(max(self._bar.total - self._bar.n, 0) / found.rows) if found.rows else "?"
        tokens = f"{found.tokens:,.0f} tokens/s" if found.tokens else ""
        for form, in_full in FORMS:
            behind = ", ".join(each for each in ((tokens if in_full else ""), holder) if each)
            self._bar.set_postfix_str(behind, refresh=False)
            self._bar.bar_format = form.replace("LEFT", left).replace("RATE", rate)
            told = self._bar.format_dict
            if not told["ncols"] or len(self._bar.format_meter(**{**told, "ncols": None})) + SPARE <= told["ncols"]:
                return


def choose_progress(err: Screen, clock: Clock, *, quiet: bool) -> Progress:
    """Return the progress fit for where it is shown."""
    if quiet:
        return SilentProgress(err)
    return BarProgress(err, clock) if err.takes_bar() else PlainProgress(err, clock)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
