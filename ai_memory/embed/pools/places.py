"""Which of several workers a call goes to: the one with the fewest, or by itself where it may be what kills workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, Lock

TWICE = 2


class Places:
    """So many places at each of several workers; any thread may ask."""

    def __init__(self, workers: int, at_once: int) -> None:
        """Begin with all of them free."""
        self._condition = Condition()
        self._taken = [0] * workers
        self._at_once = at_once
        self._waiting_alone = 0

    @contextmanager
    def one(self, *, alone: bool = False, only: int | None = None) -> Iterator[int]:
        """Hold a place of the worker that is yielded, waiting for it; `alone`: all of its places, `only`: of that one.

        While somebody waits for all places of a worker, nobody else gets one.
        """
        with self._condition:
            self._waiting_alone += alone
            while (number := self._free(alone=alone, only=only)) is None:
                self._condition.wait()
            self._waiting_alone -= alone
            places = self._at_once if alone else 1
            self._taken[number] += places
            self._condition.notify_all()
        try:
            yield number
        finally:
            with self._condition:
                self._taken[number] -= places
                self._condition.notify_all()

    def _free(self, *, alone: bool, only: int | None) -> int | None:
        """Return the worker with the most free places, None where there is none for such a call."""
        if self._waiting_alone and not alone:
            return None
        workers = range(len(self._taken)) if only is None else [only]
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
