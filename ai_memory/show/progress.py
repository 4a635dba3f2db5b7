"""Shows how a sweep gets on: a bar on a terminal, a plain line every 30 seconds elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ai_memory.clock import Clock

PLAIN_INTERVAL_S = 30.0


class Stream(Protocol):
    """Where progress is shown; it never fails."""

    def write(self, text: str, /) -> object:
        """Write a text."""

    def flush(self) -> object:
        """Send what was written on its way."""

    def isatty(self) -> bool:
        """Return whether a person sees it."""


class Progress(Protocol):
    """What a sweep tells while it runs."""

    def begin(self, *, total: int, label: str, unit: str = "rows") -> None:
        """Record that `total` rows, or what `unit` says, are to be done."""

    def advance(self, rows: int) -> None:
        """Record that `rows` more are done."""

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

    def advance(self, rows: int) -> None:
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
    """One line every 30 seconds: rows done, rows per second, time left."""

    def __init__(self, err: Stream, clock: Clock) -> None:
        """Write to `err`, by the time of `clock`."""
        super().__init__(err)
        self._clock = clock
        self._total = self._done = 0
        self._label, self._unit = "", "rows"
        self._began = self._said = 0.0

    def begin(self, *, total: int, label: str, unit: str = "rows") -> None:
        """Record that `total` rows, or what `unit` says, are to be done."""
        self._total, self._done, self._label, self._unit = total, 0, label, unit
        self._began = self._said = self._clock.monotonic()

    def advance(self, rows: int) -> None:
        """Record that `rows` more are done; print a line if the last one is 30 seconds old."""
        self._done += rows
        now = self._clock.monotonic()
        if now - self._said >= PLAIN_INTERVAL_S:
            self._said = now
            rate = self._done / (now - self._began)
            left = max(self._total - self._done, 0) / rate if rate else 0.0
            speed = f"{rate:.1f} {self._unit}/s, {_duration(left)} left"
            self.say(f"{self._label}: {self._done:,} of {self._total:,} {self._unit}, {speed}")

    def grow(self, rows: int) -> None:
        """Record that `rows` more are to be done."""
        self._total += rows

    def note(self, text: str) -> None:
        """Print the line."""
        self.say(text)


class BarProgress(SilentProgress):
    """A bar with rows per second and the time left, by tqdm."""

    def __init__(self, err: Stream) -> None:
        """Draw on `err`."""
        super().__init__(err)
        self._bar: Any = None

    def begin(self, *, total: int, label: str, unit: str = "rows") -> None:
        """Draw the empty bar."""
        from tqdm import tqdm

        self.end()
        self._bar = tqdm(total=total, desc=label, unit=f" {unit}", file=self._err, dynamic_ncols=True)

    def advance(self, rows: int) -> None:
        """Draw the bar `rows` longer."""
        if self._bar is not None:
            self._bar.update(rows)

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
            self._bar.close()
            self._bar = None


def choose_progress(err: Stream, clock: Clock, *, quiet: bool) -> Progress:
    """Return the progress fit for where it is shown."""
    if quiet:
        return SilentProgress(err)
    return BarProgress(err) if err.isatty() else PlainProgress(err, clock)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
