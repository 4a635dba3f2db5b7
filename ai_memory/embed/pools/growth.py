"""Workers that there comes to be room for: each loads the model beside the others, and is used only once it has.

So one that finds no room after all, or cannot load the model, holds up no call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock, Thread
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError

if TYPE_CHECKING:
    from ai_memory.embed.pools.channel import Failed, Loaded
    from ai_memory.embed.pools.crew import Crew
    from ai_memory.embed.pools.worker import Ended, Worker

LOOKS_AGAIN_S = 300.0
"""Seconds after which a worker that had no room is started again. A choice of 2026-11-27, not measured."""


class Growth:
    """What starts the workers that there is room for; any thread may ask."""

    def __init__(self, crew: Crew, take: Callable[[Worker, Loaded | Failed | Ended], bool]) -> None:
        """Start nothing yet; `take` is given each worker with how loading ended, and returns whether it is used."""
        self._crew, self._take = crew, take
        self._lock = Lock()
        self._coming: list[Worker] = []
        self._rests_until = 0.0

    def look(self, many: int) -> None:
        """Start the workers that there is room for beside the `many` that there are, unless some are being started."""
        with self._lock:
            if self._coming or not self._crew.spare or time.monotonic() < self._rests_until:
                return
            room = self._crew.most_at_once // self._crew.at_once - many
            for _ in range(min(self._crew.spare(), room)):
                try:
                    worker = self._crew.start()
                except AiMemoryError:
                    self._rest()
                    return
                self._coming.append(worker)
                Thread(target=self._await, args=(worker,), daemon=True).start()

    def end(self) -> None:
        """End those that are being started."""
        with self._lock:
            coming, self._coming = self._coming, []
        for worker in coming:
            worker.close()

    def _await(self, worker: Worker) -> None:
        loaded = worker.loaded()
        with self._lock:
            if worker not in self._coming:
                return
            self._coming.remove(worker)
            is_used = False
            try:
                is_used = self._take(worker, loaded)
            finally:
                if not is_used:
                    self._rest()
                    worker.close()

    def _rest(self) -> None:
        self._rests_until = time.monotonic() + LOOKS_AGAIN_S
