"""An HTTP answer that ends in time: a deadline over its headers and body together, not between two reads only."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse

Clock = Callable[[], float]

HEAD_BYTES = 256 * 1024
"""What may come before the body: status, headers, and all answers that only announce the final one."""


class TimedResponse(HTTPResponse):
    """The standard library's answer, read from a socket until as long after the request as `total` returns then.

    A server that sends a byte now and then keeps a read timeout from ever passing; here each read
    waits no longer than what is left of the whole. What stands before the body is bounded.
    """

    def __init__(self, sock: socket.socket, *, method: str | None = None, total: Clock, clock: Clock) -> None:
        """Begin to count now."""
        super().__init__(sock, method=method)
        self._reads = _TimedReads(sock, self.fp.detach(), ends=clock() + total(), clock=clock)
        self.fp = io.BufferedReader(self._reads)

    def begin(self) -> None:
        """Read status and headers of the final answer: those that only announce one (103 and its like) are skipped.

        Raises:
            HTTPException: it is none, or has no end.
        """
        super().begin()
        while HTTPStatus.CONTINUE <= self.status < HTTPStatus.OK and self.status != HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        self._reads.left = None


class _TimedReads(io.RawIOBase):
    """The reading side of a socket; each read waits at most its timeout and at most until `ends`."""

    def __init__(self, sock: socket.socket, reads: io.RawIOBase, *, ends: float, clock: Clock) -> None:
        self._sock = sock
        self._reads = reads
        self._ends = ends
        self._clock = clock
        self._between_reads = sock.gettimeout()
        self.left: int | None = HEAD_BYTES

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:  # type: ignore[override]
        """Read into `buffer` what has come; return how many bytes.

        Raises:
            TimeoutError: nothing came in time, or the time of the whole answer is over.
            HTTPException: `left` bytes have come (None: any number may).
        """
        if self.left is not None and self.left <= 0:
            raise HTTPException("its headers have no end")
        left = self._ends - self._clock()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        self._sock.settimeout(left if self._between_reads is None else min(left, self._between_reads))
        read = self._reads.readinto(buffer)
        if self.left is not None and read:
            self.left -= read
        return read

    def close(self) -> None:
        """Close the reading side, so that the socket itself can be closed or used again."""
        self._reads.close()
        super().close()
