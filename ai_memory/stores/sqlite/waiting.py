"""How long a connection works and waits: what SQLite asks while a statement runs, or finds the file locked.

SQLite knows nothing of signals, and Python only hears of one when its own code runs. Both calls give it that moment,
whatever statement a file's schema makes endless.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.stores.open_options import OpenOptions

STEPS = 1_000
"""Steps of SQLite's virtual machine between two questions: some 0.1 ms, or 1,000 calls of a slow function."""

GRACE_S = 0.3
"""How long a statement runs undisturbed; one that writes a page that was paid for takes a few milliseconds."""

SILENCE_S = 2.0
"""How long a lock is waited for before somebody is told."""

LONGEST_SLEEP_S = 0.05


class Waiting:
    """The patience of one connection."""

    def __init__(self, options: OpenOptions, *, locked: str) -> None:
        """Wait for whoever holds the file, and let the work be ended, as the options say; `locked` tells of a wait."""
        self._options, self._of_lock = options, locked
        self._began = self._locked_since = time.monotonic()
        self._told = False

    def begin(self) -> float:
        """Record that a statement begins; return what `end` takes when it is over."""
        before, self._began = self._began, time.monotonic()
        return before

    def end(self, before: float) -> None:
        """Record that a statement is over: the time of one inside which it ran goes on."""
        self._began = before

    def at_work(self) -> bool:
        """Learn from SQLite that a statement is still running; True would abort it."""
        self._heed_if_long()
        return False

    def locked(self, tries: int) -> bool:
        """Wait a moment for a lock that another connection holds; False when it has been long enough."""
        if tries == 0:
            self._locked_since, self._told = time.monotonic(), False
        self._heed_if_long()
        waited = time.monotonic() - self._locked_since
        left = self._options.busy_timeout_ms / 1000 - waited
        if left <= 0:
            return False
        if waited > SILENCE_S and not self._told:
            self._told = True
            self._options.tell(f"{self._of_lock}; waiting for it …")
        time.sleep(min(left, LONGEST_SLEEP_S, 0.001 * 2 ** min(tries, 10)))
        return True

    def _heed_if_long(self) -> None:
        if self._options.heed and time.monotonic() - self._began > GRACE_S:
            self._options.heed()
