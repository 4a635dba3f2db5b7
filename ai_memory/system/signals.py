"""Signals are heard whatever the process is doing.

Python runs a signal's handler between two steps of its own, and SQLite can be inside one function of one statement for
minutes (`instr` over two large values, which any file's schema may ask for). So the system also writes each signal into
a pipe (`signal.set_wakeup_fd`), which a thread reads. Where no handler has run after a while, it ends the process as
the signal would have: what SQLite had begun is undone by whoever opens the file next, as after SIGKILL.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNAL_EXIT = 128
"""A process that a signal ended exits with this plus the signal's number."""
GRACE_S = 0.7
"""How long a handler may be waited for: whoever sent the signal is to see the end within a second."""
LOOK_S = 0.02
STDERR = 2


class SignalObserver:
    """Counts the signals that handlers have run for, and ends the process where one is not heard."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self._heard = 0

    def heard(self) -> None:
        """Note that a handler runs: the process can look after itself."""
        self._heard += 1

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGINT as Python does.

        Raises:
            KeyboardInterrupt: always.
        """
        del number, frame
        self.heard()
        raise KeyboardInterrupt

    def listen(self, descriptor: int) -> None:
        """Read signals until the other end is closed; the thread's work."""
        received = 0
        while read := os.read(descriptor, 1):
            if read[0] not in SIGNALS:
                continue
            received += 1
            ends_at = time.monotonic() + GRACE_S
            while self._heard < received and time.monotonic() < ends_at:
                time.sleep(LOOK_S)
            if self._heard < received:
                name = signal.Signals(read[0]).name
                say(f"ai-memory: error: ended by {name} in the middle of a statement of the database, which is undone.")
                os._exit(SIGNAL_EXIT + read[0])
        os.close(descriptor)


_HEARING: ContextVar[SignalObserver | None] = ContextVar("hearing", default=None)


def current() -> SignalObserver:
    """Return what counts the signals of this command, or something that counts in vain where nothing listens."""
    return _HEARING.get() or SignalObserver()


def say(line: str) -> None:
    """Write a line to stderr past all buffers, which the main thread may hold; lost where it cannot be written."""
    with suppress(OSError):
        os.write(STDERR, f"{line}\n".encode())


@contextmanager
def observed_signals() -> Iterator[None]:
    """Listen inside the block; nothing is done in another than the main thread, to which signals do not come."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hearing, (read, write) = SignalObserver(), os.pipe()
    os.set_blocking(write, False)
    threading.Thread(target=hearing.listen, args=(read,), name="hearing", daemon=True).start()
    token, before = _HEARING.set(hearing), signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, hearing.interrupt)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(before)
        _HEARING.reset(token)
        os.close(write)
