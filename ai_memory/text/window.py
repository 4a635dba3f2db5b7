"""A stretch of each day by the clock on the wall, such as a nightly window in which work may be done."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta

from ai_memory.frozen import Frozen

WRITTEN = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


class Window(Frozen):
    """From `opens` to `closes` each day, in the zone of this machine; over midnight where it closes earlier."""

    opens: time
    closes: time

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"

    def closing(self, now_ms: int) -> int | None:
        """Return when the window closes that is open at a time (both Unix milliseconds), None where it is not open."""
        now = _on_the_wall(now_ms)
        shown = now.time()
        over_midnight = self.closes < self.opens
        if not (shown >= self.opens or shown < self.closes if over_midnight else self.opens <= shown < self.closes):
            return None
        return _next(now, self.closes)

    def opening(self, now_ms: int) -> int:
        """Return when the window opens next after a time (both Unix milliseconds)."""
        return _next(_on_the_wall(now_ms), self.opens)


def window_of(text: str) -> Window | None:
    """Return the window of a text like `01:00-05:00`, None where it is none, or one that is never open."""
    found = WRITTEN.fullmatch(text)
    if found is None:
        return None
    opens, closes = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    return None if opens == closes else Window(opens, closes)


def _on_the_wall(at_ms: int) -> datetime:
    # Without a zone: what the clock on the wall shows, also where summer time begins or ends.
    return datetime.fromtimestamp(at_ms / 1000)  # noqa: DTZ006


def _next(now: datetime, shown: time) -> int:
    """Return the Unix milliseconds at which the clock shows a time next; an hour that it shows twice counts as one."""
    then = datetime.combine(now.date(), shown).replace(fold=now.fold)
    if shown <= now.time():
        then = datetime.combine(now.date() + timedelta(days=1), shown)
    return round(then.timestamp() * 1000)
