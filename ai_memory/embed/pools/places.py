"""Which of several workers a call goes to: the one with the fewest, or by itself where it may be what kills workers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from math import inf
from threading import Condition, Lock

from ai_memory.frozen import Frozen

TWICE = 2


class Place(Frozen):
    """So many places of one worker that a call holds."""

    worker: int
    places: int = 1


class Places:
    """So many places at each of several workers; any thread may ask."""

    def __init__(self, workers: int, at_once: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with all of them free."""
        self._condition = Condition()
        self._taken = [0] * workers
        self._shut_until = [0.0] * workers
        self._at_once, self._clock = at_once, clock
        self._waiting_alone = 0

    @property
    def open(self) -> list[int]:
        """The workers that are given calls."""
        now = self._clock()
        return [number for number, until in enumerate(self._shut_until) if until <= now]

    @property
    def all_open(self) -> int:
        """How many places there are of workers that are given calls."""
        return len(self.open) * self._at_once

    def add(self) -> None:
        """Give calls to a worker more, whose number comes after the others'."""
        with self._condition:
            self._taken.append(0)
            self._shut_until.append(0.0)
            self._condition.notify_all()

    def shut(self, worker: int, *, seconds: float = inf) -> None:
        """Give a worker no more calls, for so many seconds; those that it has are not touched."""
        with self._condition:
            self._shut_until[worker] = self._clock() + seconds
            self._condition.notify_all()

    def take(self, *, alone: bool = False, only: int | None = None) -> Place | None:
        """Take a place, waiting for it; `alone`: all of those of a worker, `only`: of that one.

        None where all workers are shut, or that one. While somebody waits for all places of a worker, nobody else gets
        one.
        """
        with self._condition:
            self._waiting_alone += alone
            try:
                while (number := self._free(self._allowed(only), alone=alone)) is None:
                    if not self._allowed(only):
                        return None
                    self._condition.wait()
            finally:
                self._waiting_alone -= alone
                self._condition.notify_all()
            return self._taken_of(number, self._at_once if alone else 1)

    def spare(self, *, beside: int) -> Place | None:
        """Take a place of another worker than `beside`, where one is free and nobody waits for it."""
        with self._condition:
            number = self._free([each for each in self.open if each != beside], alone=False)
            return None if number is None else self._taken_of(number, 1)

    def give(self, place: Place) -> None:
        """Give a place back."""
        with self._condition:
            self._taken[place.worker] -= place.places
            self._condition.notify_all()

    def _taken_of(self, number: int, places: int) -> Place:
        self._taken[number] += places
        return Place(number, places)

    def _allowed(self, only: int | None) -> list[int]:
        return [each for each in self.open if only in (None, each)]

    def _free(self, workers: Sequence[int], *, alone: bool) -> int | None:
        """Return the worker with the most free places, None where there is none for such a call."""
        if not workers or (self._waiting_alone and not alone):
            return None
        number = min(workers, key=lambda each: self._taken[each])
        return number if self._taken[number] < (1 if alone else self._at_once) else None


class Deaths:
    """How often a worker died over each text, as far as it got no vector since; any thread may ask."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = Lock()
        self._over: Counter[str] = Counter()

    def suspected(self, texts: Sequence[str]) -> bool:
        """Return whether a worker died over one of `texts`: what is beside them would be suspected, too."""
        with self._lock:
            return any(text in self._over for text in texts)

    def add(self, texts: Sequence[str]) -> bool:
        """Record a death over `texts`; return whether it is the second or a later one of them all."""
        with self._lock:
            self._over.update(set(texts))
            return min(self._over[text] for text in texts) >= TWICE

    def passed(self, texts: Sequence[str]) -> None:
        """Forget what was held against `texts`."""
        with self._lock:
            for text in texts:
                self._over.pop(text, None)
