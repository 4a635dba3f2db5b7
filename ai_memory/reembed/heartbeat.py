"""Signs of life while an answer is awaited, and what an operator asks for meanwhile.

A page is committed when its answer has come, and an endpoint that is slow or away may take minutes. Meanwhile the
thread that commits notes now and then that it lives and what the last request failed with, and sees whether the file
was paused or the run taken away. No thread of its own: one that hangs gives no sign.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ai_memory.errors import DataRefused, NotFinished, OperatorNeeded, Stopped, StorageFailed
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.events import SignGiven
from ai_memory.reembed.replicas import Replicas
from ai_memory.reembed.unfinished_copy import finishing
from ai_memory.stores.values import TAKE_IT_OFF, Pause, Run
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from ai_memory.reembed.stop import Stop
    from ai_memory.reembed.tools import SweepTools, Tools
    from ai_memory.stores.port import Reader, Store

T = TypeVar("T")

PAUSED = "paused"


class Signs(Protocol):
    """How a sweep waits."""

    def await_answer(self, answer: Future[Any]) -> None:
        """Return when `answer` is there."""

    def committed(self) -> None:
        """Record that a page was committed."""

    def sleep(self, seconds: float) -> bool:
        """Wait so long and return False, or True as soon as the work is to stop."""


class NoSigns:
    """Waits without a sign, on behalf of work that nobody watches from outside."""

    def __init__(self, stop: Stop) -> None:
        """Wait until `stop` at most."""
        self._stop = stop

    def await_answer(self, answer: Future[Any]) -> None:
        """Return when `answer` is there."""
        answer.exception()

    def committed(self) -> None:
        """Do nothing."""

    def sleep(self, seconds: float) -> bool:
        """Wait so long and return False, or True as soon as the work is to stop."""
        return self._stop.event.wait(seconds)


class Heartbeat:
    """Waits for answers on behalf of one invocation that holds a run."""

    def __init__(self, store: Store, run: Run, tools: Tools, *, failure: Callable[[], str] | None = None) -> None:
        """Note the life of `run`, and `failure`: what is being retried (None: by the embedder of `tools`)."""
        self._store, self._run, self._tools = store, run, tools
        self._failure = failure or (lambda: tools.embedder.meter.failure)
        self._noted, self._replicas = "", Replicas(store, tools.clock, tools.max_lag)

    def await_answer(self, answer: Future[Any]) -> None:
        """Return when `answer` is there.

        Raises:
            OperatorNeeded, NotFinished: the run is no longer ours.
        """
        while True:
            try:
                answer.exception(timeout=self._tools.beat_seconds)
            except TimeoutError:
                self.beat()
            else:
                return

    def asked(self, ask: Callable[[], T]) -> T:
        """Return what `ask` returns, in a thread of its own.

        Raises:
            OperatorNeeded, NotFinished: the run is no longer ours.
            BaseException: what `ask` raises.
        """

        def counted() -> T:
            with self._tools.ledger.counting(self._tools.embedder):
                return ask()

        with self._tools.pool(1) as executor:
            answer = executor.submit(counted)
            self.await_answer(answer)
            return answer.result()

    def sleep(self, seconds: float) -> bool:
        """Wait so long and return False, or True as soon as the work is to stop.

        Raises:
            OperatorNeeded, NotFinished: the run is no longer ours.
        """
        while seconds > self._tools.beat_seconds:
            if self._tools.stop.event.wait(self._tools.beat_seconds):
                return True
            self.beat()
            seconds -= self._tools.beat_seconds
        return self._tools.stop.event.wait(seconds)

    def beat(self) -> None:
        """Note a sign of life and the failure that is being retried, and heed what an operator asks for.

        Raises:
            OperatorNeeded, NotFinished: the run is no longer ours; requests that still wait are ended.
        """
        failure = self._failure()
        # A disk that is full, or another writer, keeps nobody from waiting: the commit will tell.
        with suppress(StorageFailed, NotFinished, Stopped):
            with self._store.transaction() as transaction:
                ours = transaction.runs.beat(self._run, failure=failure, now_ms=self._tools.clock.now_ms())
            self._noted = failure
            if not ours:
                self._tools.stop.ask("run lost", exit_code=NotFinished.exit_code)
        self.heed_pause()
        if self._tools.stop.reason == "run lost":
            raise self._store.runs.lost(self._run)
        self._tools.tell_requests()
        self._tools.observe(SignGiven(failure))

    def committed(self) -> None:
        """Record that a page was committed: heed a pause, forget a failure that is over, let replicas catch up."""
        self._tools.tell_requests()
        if self._noted and not self._failure():
            self.beat()
        else:
            self.heed_pause()
        self._replicas.catch_up(self.sleep)

    def heed_pause(self) -> None:
        """Ask for the stop where an operator has paused the file."""
        heed_pause(self._store, self._tools)


class PausedOnly(NoSigns):
    """Waits for nobody on behalf of a run that asks no endpoint, and heeds a pause."""

    def __init__(self, store: Store, tools: SweepTools) -> None:
        """Look for a pause of `store`."""
        super().__init__(tools.stop)
        self._store, self._tools, self._replicas = store, tools, Replicas(store, tools.clock, tools.max_lag)

    def committed(self) -> None:
        """Heed a pause, and let replicas catch up: a page was committed."""
        heed_pause(self._store, self._tools)
        self._replicas.catch_up(self.sleep)


def heed_pause(store: Reader, tools: SweepTools) -> None:
    """Ask for the stop where an operator has paused the file."""
    with suppress(StorageFailed, NotFinished, Stopped, DataRefused):
        if pause := store.operator.pause(now_ms=tools.clock.now_ms()):
            error = paused(store, pause)
            tools.stop.ask(PAUSED, exit_code=error.exit_code, error=error)


def require_no_pause(store: Reader, *, now_ms: int) -> None:
    """Check that the file is not paused.

    Raises:
        OperatorNeeded: it is.
    """
    if pause := store.operator.pause(now_ms=now_ms):
        raise paused(store, pause)


def paused(store: Reader, pause: Pause) -> OperatorNeeded:
    """Return the error that says who paused the file, until when and why."""
    until = "" if pause.until is None else f" until {instant(pause.until)}"
    why = f": {printable(pause.reason)}" if pause.reason else ""
    copy = finishing(store.name, pause)
    return OperatorNeeded(
        f"{printable(pause.by) or 'Somebody'} paused {store.name} at {instant(pause.at)}{until}{why}.",
        tip=f"Finish the copy: {copy}; or take it as it is: ai-memory reembed unpause" if copy else TAKE_IT_OFF,
    )
