"""Lets replicas of a database catch up: after a commit it waits while one of them is further behind than is wanted.

How far that is is measured here, by what the replicas have replayed of what was there at each commit: what a server
says of it in seconds stands still where a replica does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.clock import Clock
    from ai_memory.stores.port import Store

OFTEN, OFTEN_S, SELDOM_S = 10, 0.2, 3.0
"""How often it is looked again soon, after how many seconds, and after how many from then on: with a sign of life."""


def require_seen(store: Store, most_s: float | None) -> None:
    """Check, before anything is done, that this user may see how far replicas are behind, where it is to be heeded.

    Raises:
        DataRefused: not so.
    """
    if most_s is not None:
        store.structure.replicated()


@dataclass(slots=True)
class Replicas:
    """Those of one store; they may be `most_s` seconds behind (None: nobody asks)."""

    store: Store
    clock: Clock
    most_s: float | None
    _written: deque[tuple[float, int]] = field(default_factory=deque)

    def catch_up(self, sleep: Callable[[float], bool]) -> None:
        """Return once none is further behind; or as soon as `sleep` says that the work is to stop.

        Raises:
            DataRefused: this user may not see how far they are.
        """
        if self.most_s is None:
            return
        looks = 0
        while self._behind() > self.most_s:
            looks += 1
            if sleep(OFTEN_S if looks < OFTEN else SELDOM_S):
                return

    def _behind(self) -> float:
        """Return for how many seconds a replica has not replayed what had been written by then."""
        now, found = self.clock.monotonic(), self.store.structure.replicated()
        if found is None:
            self._written.clear()
            return 0.0
        written, replayed = found
        self._written.append((now, written))
        while self._written and self._written[0][1] <= replayed:
            self._written.popleft()
        return now - self._written[0][0] if self._written else 0.0
