"""What a worker with a model is to whoever spreads calls over several, and the questions that are open with one."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Lock
from typing import Protocol

from ai_memory.embed.pools.channel import LOADING, Answer, Computed, Failed, Loaded
from ai_memory.frozen import Frozen


class Ended(Frozen):
    """The worker ended before it answered; `how` is for people.

    `sent` says that it may have had the question, `blames` that the question may be what ended it. One that had
    `no_room` never began: another may find room later.
    """

    how: str
    sent: bool = True
    blames: bool = True
    no_room: bool = False


class Worker(Protocol):
    """A model somewhere else, which begins to load when the worker is started; any thread may ask."""

    @property
    def how(self) -> str:
        """How it ended, for people; empty as long as it has not, and answers."""

    def loaded(self) -> Loaded | Failed | Ended:
        """Return how loading the model ended, once it has."""

    def ask(self, texts: tuple[str, ...], *, query: bool = False) -> Future[Answer | Ended]:
        """Return the answer to come."""

    def hang_up(self) -> None:
        """Speak to it no more, by which it ends."""

    def close(self) -> None:
        """End it, and wait for that. A second call does nothing."""


class Running:
    """One of several workers, None before its start and after its end; one of `other_weights` is asked no more."""

    def __init__(self, number: int, worker: Worker | None = None) -> None:
        """Begin with the worker, where it was started."""
        self.lock = Lock()
        self.number, self.other_weights = number, False
        self.worker = worker

    @property
    def is_at_work(self) -> bool:
        """Whether it was started, and has not ended."""
        return self.worker is not None and not self.worker.how


class Questions:
    """What a worker was asked and has not answered; the first question is how it has loaded its model."""

    def __init__(self) -> None:
        """Begin with the first question."""
        self._lock = Lock()
        self._last = LOADING
        self._open: dict[int, Future[Answer | Ended]] = {LOADING: Future()}
        self._loading = self._open[LOADING]
        self.how = ""

    def loaded(self) -> Loaded | Failed | Ended:
        """Return the answer to the first question, once it is there."""
        found = self._loading.result()
        if isinstance(found, Computed):
            raise TypeError("a worker answered what it was not asked")
        return found

    def another(self) -> tuple[int, Future[Answer | Ended]]:
        """Return the number of a further question, and its answer to come, which is there where the worker ended."""
        answer: Future[Answer | Ended] = Future()
        with self._lock:
            self._last += 1
            if self.how:
                answer.set_result(Ended(self.how, sent=False))
            else:
                self._open[self._last] = answer
            return self._last, answer

    def withdraw(self, number: int) -> Future[Answer | Ended]:
        """Return the answer to a question that could not be sent: whoever withdraws it says how the worker ended."""
        with self._lock:
            return self._open.pop(number, Future())

    def answered(self, message: Answer) -> None:
        """Give an answer to who waits for it."""
        with self._lock:
            waiting = self._open.pop(message.number, None)
        if waiting:
            waiting.set_result(message)

    def end(self, how: str, *, blames: bool = True, no_room: bool = False) -> None:
        """Answer all that is open with the worker's end, and what will be asked, too. A second call does nothing."""
        with self._lock:
            self.how = self.how or how
            left, self._open = self._open, {}
        for each in left.values():
            each.set_result(Ended(how, blames=blames, no_room=no_room))
