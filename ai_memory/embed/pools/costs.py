"""What workers cost beside the calls of which somebody counts it: the time of all together, and answers not awaited."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from ai_memory.embed.usage import Usage

if TYPE_CHECKING:
    from ai_memory.embed.usage import Meter


class Costs:
    """Counted by the meter of an embedder, in the thread of whoever asks next; any thread may use it."""

    def __init__(self, meter: Meter) -> None:
        """Begin with nothing asked."""
        self._meter = meter
        self._lock = Lock()
        self._asked, self._since = 0, 0.0
        self._late = Usage()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time of the block, but what others count already: that in which anything is asked."""
        with self._lock:
            if not self._asked:
                self._since = time.monotonic()
            self._asked += 1
        try:
            yield
        finally:
            with self._lock:
                now = time.monotonic()
                seconds, self._since = now - self._since, now
                self._asked -= 1
            self._meter.add(Usage(seconds=seconds))

    def came_late(self, usage: Usage) -> None:
        """Record what an answer cost that nobody waited for any more."""
        with self._lock:
            self._late += usage

    def settle(self) -> None:
        """Count what came late."""
        with self._lock:
            usage, self._late = self._late, Usage()
        self._meter.add(usage)
