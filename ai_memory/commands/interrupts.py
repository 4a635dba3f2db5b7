"""What is said where a signal ends a command that has written something by then.

Such a command ends at once, and what it wrote stays. A person who is not told of it takes it for nothing.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError, Stopped
from ai_memory.frozen import Frozen
from ai_memory.system import signals
from ai_memory.system.signals import SIGNAL_EXIT, SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


class Written(Frozen):
    """What was written, as the end of a sentence, and what to do next."""

    what: str
    tip: str = ""


UNREADABLE = Written("what was stored by then is kept")
"""Told where the database cannot be read to say more."""


class Interrupts:
    """The signals of a block: each ends it at once, unless it is held."""

    def __init__(self) -> None:
        """Begin with none."""
        self.number = 0
        self._held = False

    def hold(self) -> None:
        """Let the next signal wait until `release`: what is done meanwhile is done or not, and known to be."""
        self._held = True

    def release(self) -> None:
        """Let signals end the block again.

        Raises:
            KeyboardInterrupt: one came meanwhile.
        """
        self._held = False
        if self.number:
            raise KeyboardInterrupt

    def heard(self, number: int) -> None:
        """Take a signal.

        Raises:
            KeyboardInterrupt: it ends the block now.
        """
        waits = self._held and not self.number
        self.number = number
        if not waits:
            raise KeyboardInterrupt


@contextmanager
def telling(written: Callable[[], Written | None]) -> Iterator[Interrupts]:
    """Have SIGINT and SIGTERM end the block with a line on what was `written`; without one where that is None.

    Raises:
        Stopped: a signal came, and something was written.
        KeyboardInterrupt: SIGINT came, and nothing was written; by SIGTERM the process ends as ever.
    """
    interrupts = Interrupts()
    try:
        with _heard(interrupts):
            yield interrupts
    except KeyboardInterrupt:
        number = interrupts.number or signal.SIGINT
        if found := _told(written):
            line = f"Ended by {signal.Signals(number).name}; {found.what}."
            raise Stopped(line, exit_code=SIGNAL_EXIT + number, tip=found.tip) from None
        if number != signal.SIGINT:
            signal.raise_signal(number)
        raise


def _told(written: Callable[[], Written | None]) -> Written | None:
    try:
        return written()
    except AiMemoryError:
        return UNREADABLE


@contextmanager
def _heard(interrupts: Interrupts) -> Iterator[None]:
    """Have the signals of the block taken by `interrupts`; in another than the main thread none comes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    listener = signals.current()

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        listener.heard()
        interrupts.heard(number)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
