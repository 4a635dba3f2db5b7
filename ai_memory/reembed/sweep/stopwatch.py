"""Takes the time of the thread that commits: how much of it went into waiting for answers, and into writing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ai_memory.reembed.events import Spell

if TYPE_CHECKING:
    from ai_memory.reembed.heartbeat import Signs
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.reembed.work import PageAnswer, Question, Workers

AWAITING, WRITING = "awaiting", "writing"


class Stopwatch:
    """The signs of a sweep, with the time taken from one page to the next."""

    def __init__(self, inner: Signs, tools: SweepTools) -> None:
        """Wait by `inner`; the time is that of the clock of `tools`, and what requests used is in its ledger."""
        self._inner, self._clock, self._ledger = inner, tools.clock, tools.ledger
        self.begin()

    def begin(self) -> None:
        """Forget what went before."""
        self._began, self._spent = self._clock.monotonic(), self._ledger.spent
        self._parts = dict.fromkeys((AWAITING, WRITING), 0.0)

    def await_answer(self, answer: Future[Any]) -> None:
        """Return when `answer` is there."""
        with self.taking(AWAITING):
            self._inner.await_answer(answer)

    @contextmanager
    def taking(self, part: str) -> Iterator[None]:
        """Take the time of the block, which is AWAITING or WRITING."""
        began = self._clock.monotonic()
        try:
            yield
        finally:
            self._parts[part] += self._clock.monotonic() - began

    def spell(self) -> Spell:
        """Return how the time since the last spell was spent."""
        seconds, used = self._clock.monotonic() - self._began, self._ledger.spent - self._spent
        spell = Spell(seconds, self._parts[AWAITING], self._parts[WRITING], used)
        self.begin()
        return spell

    def committed(self) -> None:
        """Record that a page was committed."""
        self._inner.committed()

    def sleep(self, seconds: float) -> bool:
        """Wait so long and return False, or True as soon as the work is to stop."""
        return self._inner.sleep(seconds)


class TimedWorkers:
    """Workers that are waited for from the moment they are asked: one may be the calling thread itself."""

    def __init__(self, inner: Workers, watch: Stopwatch) -> None:
        """Ask `inner`."""
        self._inner, self._watch = inner, watch

    @property
    def capacity(self) -> int:
        """How many questions may usefully be asked at once, now."""
        return self._inner.capacity

    @property
    def failure(self) -> str:
        """What the last request came to, empty where it was answered."""
        return self._inner.failure

    @property
    def judges(self) -> bool:
        """Whether workers of other weights than the others are asked no more, once they are asked for the witness."""
        return self._inner.judges

    def submit(self, work: Question) -> Future[PageAnswer]:
        """Ask one of the workers."""
        with self._watch.taking(AWAITING):
            return self._inner.submit(work)

    def witness(self, work: Question) -> Sequence[Future[PageAnswer]]:
        """Ask each of them."""
        with self._watch.taking(AWAITING):
            return self._inner.witness(work)

    def close(self) -> None:
        """Wait for the workers, and let them go."""
        self._inner.close()
