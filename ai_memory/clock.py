"""The clock the program lives by, passed in wherever time matters so that tests can own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations."""

    def now_ms(self) -> int:
        """Return the wall time: Unix milliseconds, UTC."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""


class SystemClock:
    """The system's own clock."""

    def now_ms(self) -> int:
        """Return the wall time: Unix milliseconds, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        return time.monotonic()
