"""When an answer is late: three times as long as others of its size take, and no sooner than after a second.

Of a call that is late another worker is asked, too, and the first answer is taken (backup tasks: Dean and Ghemawat,
MapReduce, 2004). What was asked twice is counted twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from threading import Lock

TIMES = 3
LEAST_S = 1.0
"""Seconds that are waited at least: sooner than that nobody is late. A choice of 2026-11-27, not measured."""
KNOWN, KEPT = 8, 64
"""Answers from which on something is known of their time, and those that are kept."""


class Pace:
    """How long the latest answers took for each character of text; any thread may ask."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._lock = Lock()
        self._seconds: deque[float] = deque(maxlen=KEPT)

    def answered(self, texts: Sequence[str], seconds: float) -> None:
        """Record how long an answer took."""
        with self._lock:
            self._seconds.append(seconds / _size(texts))

    def patience(self, texts: Sequence[str]) -> float | None:
        """Return after how many seconds an answer is late; None as long as too little is known."""
        with self._lock:
            if len(self._seconds) < KNOWN:
                return None
            return max(TIMES * median(self._seconds) * _size(texts), LEAST_S)


def _size(texts: Sequence[str]) -> int:
    return sum(map(len, texts)) or 1
