"""The answers that are awaited: who may wait no longer breaks off all of them at once, from any thread.

A thread in a read of a socket hears of nothing; it ends when the connection is shut down under it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock
from weakref import WeakSet

from ai_memory.errors import TransientFailure


class Awaited:
    """The connections on which answers are awaited; any thread may use it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._broken_off = False

    def add(self, sock: socket.socket) -> None:
        """Await an answer on a connection; where all were broken off, so is it."""
        with self._lock:
            self._sockets.add(sock)
            if self._broken_off:
                _shut(sock)

    def discard(self, sock: socket.socket) -> None:
        """Await nothing more on a connection."""
        with self._lock:
            self._sockets.discard(sock)

    def break_off(self) -> None:
        """End the wait for every answer, now and from now on."""
        with self._lock:
            self._broken_off = True
            for sock in self._sockets:
                _shut(sock)

    def require(self) -> None:
        """Check that what came may be believed: of an answer that was broken off only a part may have come.

        Raises:
            TransientFailure: the answers were broken off.
        """
        if self._broken_off:
            raise TransientFailure(
                "Its answer was not waited for, because the run is stopping.", in_doubt=True
            ) from None


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        # Not TLS's own, which would take its state from under the thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
