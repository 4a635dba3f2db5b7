"""One worker process, seen from the program that starts it.

Why not `multiprocessing`: it starts a second process beside the workers, and runs the main module again in each of
them. A fresh interpreter and one socket are all that is needed. The socket's other end is nobody else's: when the
program ends, in whatever way, the worker reads that, and ends.

SIGINT and SIGTERM are blocked in it from its first instruction on: Ctrl-C goes to all processes of a terminal, and a
service manager's SIGTERM to all of a service, and what is in flight is to be answered before the program ends.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING

from ai_memory.embed.pools.channel import (
    LOADING,
    Answer,
    Ask,
    Begin,
    Channel,
    Computed,
    Failed,
    Loaded,
    Message,
    Tell,
    Told,
)

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited

_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from ai_memory.embed.pools.in_process import main; main()"
"""Run with -P: nothing is imported from the working folder that this program would not import from there."""
ENDS_S = 5.0
"""Seconds that a process has to end by itself once nobody speaks to it. A choice of 2026-11-27, not measured."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The process ended before it answered; `how` is for people. `sent` says that it may have had the question."""

    how: str
    sent: bool = True


class WorkerProcess:
    """A process that loads a model and embeds; it is started by this object's creation.

    `how` it ended is for people, and empty as long as it has not.
    """

    def __init__(self, begin: Begin, awaited: Awaited, tell: Tell) -> None:
        """Start it; by `awaited` all that is waited for can be broken off, `tell` is told what it says to people.

        Raises:
            OSError: the system starts no more processes.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _started(theirs)
            except OSError:
                ours.close()
                raise
        self._socket, self._channel = ours, Channel(ours)
        self._tell = tell
        self._lock = Lock()
        self._last = LOADING
        self._waiting: dict[int, Future[Answer | Ended]] = {LOADING: Future()}
        self._loading = self._waiting[LOADING]
        self.how = ""
        awaited.add(ours)
        self._reader = Thread(target=self._read, name="worker process", daemon=True)
        self._reader.start()
        with suppress(OSError):
            self._channel.send(begin)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it answers nothing any more."""
        return bool(self.how)

    def loaded(self) -> Loaded | Failed | Ended:
        """Return how loading the model ended, once it has."""
        found = self._loading.result()
        if isinstance(found, Computed):
            raise TypeError("a worker process answered what it was not asked")
        return found

    def ask(self, texts: tuple[str, ...], *, query: bool = False) -> Answer | Ended:
        """Return the answer to a question once it is there; any thread may ask."""
        answer: Future[Answer | Ended] = Future()
        with self._lock:
            if self.how:
                return Ended(self.how, sent=False)
            self._last += 1
            number = self._last
            self._waiting[number] = answer
        try:
            self._channel.send(Ask(number, texts, query))
        except OSError:
            self.close()
            return Ended(self.how, sent=False)
        return answer.result()

    def hang_up(self) -> None:
        """Speak to it no more, by which it ends."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it, and wait for that. A second call does nothing."""
        self.hang_up()
        self._reader.join()

    def _read(self) -> None:
        try:
            while (message := self._channel.receive()) is not None:
                self._take(message)
        finally:
            # Whatever happened: nobody waits for ever.
            self.hang_up()
            self._end()

    def _take(self, message: Message) -> None:
        if isinstance(message, Told):
            self._tell(message.text)
        elif isinstance(message, Computed | Loaded | Failed):
            with self._lock:
                waiting = self._waiting.pop(message.number)
            waiting.set_result(message)

    def _end(self) -> None:
        how = self._reaped()
        with self._lock:
            self.how = how
            left, self._waiting = self._waiting, {}
        self._channel.close()
        for each in left.values():
            each.set_result(Ended(how))

    def _reaped(self) -> str:
        """Return how the process ended, once it has."""
        try:
            code = self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def _started(theirs: socket.socket) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno()), *sys.path]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        return subprocess.Popen(  # noqa: S603 - this interpreter, and our own words
            line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
