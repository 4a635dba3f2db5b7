"""How long an answer may take, and one that ends in time: a deadline over all of it, not only between two reads."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited

Clock = Callable[[], float]
Heard = Callable[[memoryview], None]

HEAD_BYTES = 256 * 1024
"""What may come before the body: status, headers, and all answers that only announce the final one."""


class Deadlines(Frozen):
    """How long one request may take, in seconds: to connect, between two reads, and altogether.

    `first` stands for `read` until an endpoint has answered, and again after it was late: it may be loading its model,
    and some give that up where nobody waits.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0
    first: float = 60.0

    def between_reads(self, *, cold: bool) -> float:
        """Return the time between two reads; `cold`: the endpoint has not answered lately."""
        return max(self.first, self.read) if cold else self.read

    def altogether(self, *, cold: bool) -> float:
        """Return the time for a whole answer, without that to connect."""
        return self.total + self.between_reads(cold=cold) - self.read


class Warmth:
    """Whether the server has still to load its model, and how long to wait for it then.

    Apart from the transport: open connections hold it, and the library holds them for as long as anything that they
    hold leads back to their pool.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        """Begin with a server that has not answered yet."""
        self.cold = True
        self._deadlines = deadlines

    def limits(self) -> tuple[float, float]:
        """Return how many seconds to wait for a connection, and between two reads."""
        return self._deadlines.connect, self._deadlines.between_reads(cold=self.cold)

    def altogether(self) -> float:
        """Return how many seconds a whole answer may take."""
        return self._deadlines.altogether(cold=self.cold)


class TimedResponse(HTTPResponse):
    """The standard library's answer, read from a socket until as long after the request as `total` returns then.

    A server that sends a byte now and then keeps a read timeout from ever passing; here each read
    waits no longer than what is left of the whole. What stands before the body is bounded. While it is read it is
    among what is `awaited`.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        method: str | None = None,
        total: Clock,
        clock: Clock,
        heard: Heard,
        awaited: Awaited,
    ) -> None:
        """Begin to count now; `heard` is given each piece that is read, `awaited` may close the socket."""
        super().__init__(sock, method=method)
        ends, raw = clock() + total(), self.fp.detach()
        self._reads = _TimedReads(sock, raw, ends=ends, clock=clock, heard=heard, awaited=awaited)
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

    def __init__(
        self, sock: socket.socket, reads: io.RawIOBase, *, ends: float, clock: Clock, heard: Heard, awaited: Awaited
    ) -> None:
        self._sock = sock
        self._awaited = awaited
        self._reads = reads
        self._ends = ends
        self._clock = clock
        self._heard = heard
        self._between_reads = sock.gettimeout()
        self.left: int | None = HEAD_BYTES
        awaited.add(sock)

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
        if read:
            self._heard(memoryview(buffer)[:read])
        if self.left is not None and read:
            self.left -= read
        return read

    def close(self) -> None:
        """Close the reading side, so that the socket itself can be closed or used again."""
        self._awaited.discard(self._sock)
        self._reads.close()
        super().close()
