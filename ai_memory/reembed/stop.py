"""Everything that can ask a sweep to stop: signals, and the time it may take."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ai_memory.errors import AiMemoryError, Stopped
from ai_memory.system import signals
from ai_memory.system.signals import SIGNAL_EXIT, SIGNALS

TOLD_AFTER_S = 0.8
PATIENCE_S = 10.0
"""Seconds after a stop in which requests in flight may still be answered, for they are paid for.

Longer than most answers take, and so short that whoever waits for the end of a service (systemd: 90 s) sees it end by
itself. A choice of 2026-11-26, not measured."""
WAITS = f"Stopping after what is in flight, within {PATIENCE_S:.0f} s; send the signal once more to stop at once."
"""Told where a stop takes longer than that."""
AS_AFTER_A_KILL = "all is as after a kill"
"""Told where a second signal ends the process."""

MAX_RUNTIME, WINDOW = "max-runtime", "window"


class Stop:
    """Asked to stop at most once; `event` lets waits end at once.

    `gave_up` says that the patience with what was in flight was over.
    """

    def __init__(self) -> None:
        """Begin unasked."""
        self.event = threading.Event()
        self.reason = ""
        self.exit_code = 0
        self.error: AiMemoryError | None = None
        self.gave_up = False
        self._finishing: list[None] = []
        self._patience: threading.Timer | None = None

    def ask(self, reason: str, *, exit_code: int, error: AiMemoryError | None = None) -> None:
        """Ask for the stop, for an `error` or none; a signal's reason stands above every other."""
        if not self.by_signal():
            self.reason, self.exit_code, self.error = reason, exit_code, error
        if self._patience and not self.requested():
            # A signal may come while the time is over: only one of them starts it.
            with suppress(RuntimeError):
                self._patience.start()
        self.event.set()

    def by_signal(self) -> bool:
        """Return whether a signal asked."""
        return self.exit_code > SIGNAL_EXIT

    def heed(self) -> None:
        """Return at once unless somebody asked.

        Raises:
            Stopped: somebody did; for work that has changed nothing yet.
        """
        if self.requested():
            raise Stopped(f"Ended by {self.reason}; nothing was changed.", exit_code=self.exit_code)

    def requested(self) -> bool:
        """Return whether someone asked."""
        return self.event.is_set()

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Let requests begin inside the block in spite of a stop; their waits end at once all the same.

        For the few without which what was paid for cannot be kept; nothing else may be in flight. Any thread may do so.
        """
        self._finishing.append(None)
        try:
            yield
        finally:
            self._finishing.pop()

    def closed(self) -> bool:
        """Return whether no further request may begin."""
        return self.requested() and (self.gave_up or not self._finishing)

    @contextmanager
    def patient(self, break_off: Callable[[], None], *, seconds: float = PATIENCE_S) -> Iterator[None]:
        """Call `break_off` so many seconds after the stop was asked for inside the block, unless it ended before."""
        self._patience = threading.Timer(seconds, self._give_up, (break_off,))
        self._patience.daemon = True
        try:
            yield
        finally:
            self._patience.cancel()

    def _give_up(self, break_off: Callable[[], None]) -> None:
        self.gave_up = True
        break_off()


@contextmanager
def stop_on_signals(stop: Stop, *, tell: bool = True, at_once: str = AS_AFTER_A_KILL) -> Iterator[None]:
    """Have the first SIGINT or SIGTERM inside the block ask for the stop; a second one ends the process at once.

    Where the stop takes a while that is told, if it is to `tell`. `at_once` is said of how a second signal leaves it.
    """
    listener = signals.current()
    waiting = threading.Timer(TOLD_AFTER_S, signals.say, (WAITS,))
    waiting.daemon = True

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        listener.heard()
        if stop.by_signal():
            signals.say(f"ai-memory: error: Stopped at once by {signal.Signals(number).name}; {at_once}")
            os._exit(SIGNAL_EXIT + number)
        if tell:
            waiting.start()
        stop.ask(signal.Signals(number).name, exit_code=SIGNAL_EXIT + number)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        waiting.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stop_after(stop: Stop, seconds: float | None, reason: str = MAX_RUNTIME) -> Iterator[None]:
    """Request the stop, for a reason, when the block has taken `seconds` (None: never)."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, stop.ask, (reason,), {"exit_code": 75})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
