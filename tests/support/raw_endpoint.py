"""A server on loopback that answers every request with bytes as they are: what no sound server sends."""

from __future__ import annotations

import gzip
import socket
import ssl
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

TLS = Path(__file__).parent / "tls"
ANSWERED = (OSError, ValueError)
"""What a client that gives up, or never speaks TLS, ends a conversation with."""

_PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10, file=sys.stderr)
sys.exit(code)
"""
PEAK = (sys.executable, "-c", _PEAK)
"""Starts a command and tells on the last line of stderr how much memory it took at most, in MiB."""


class RawEndpoint:
    """A context manager; `answer` gets head and body of a request and returns the bytes to send, piece by piece.

    `greeting` is sent before anything was asked.
    """

    def __init__(
        self,
        answer: Callable[[bytes, bytes], Iterable[bytes]],
        *,
        tls: ssl.SSLContext | None = None,
        greeting: bytes = b"",
    ) -> None:
        self.heads: list[bytes] = []
        self.sent = self.connections = 0
        self._then: tuple[int, ssl.SSLContext] | None = None
        self._answer, self._tls, self._greeting = answer, tls, greeting
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    @property
    def url(self) -> str:
        """The base URL for OpenAI's language."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def change_after(self, requests: int, tls: ssl.SSLContext) -> None:
        """Close each connection, and show another certificate, once so many requests were answered."""
        self._then = (requests, tls)

    @property
    def _over(self) -> bool:
        return self._then is not None and len(self.heads) >= self._then[0]

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        tls = self._then[1] if self._then and self._over else self._tls
        with suppress(*ANSWERED), client:
            client.settimeout(60)
            client.sendall(self._greeting)
            with tls.wrap_socket(client, server_side=True) if tls else client as stream:
                while not (self._over and tls is self._tls) and (request := _request(stream)):
                    self.heads.append(request[0])
                    for piece in self._answer(*request):
                        stream.sendall(piece)
                        self.sent += len(piece)


def _request(stream: socket.socket) -> tuple[bytes, bytes] | None:
    """Return head and body of the next request, None where the client is gone."""
    read = b""
    while b"\r\n\r\n" not in read:
        if not (piece := stream.recv(1 << 16)):
            return None
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    length = int(lengths[0]) if lengths else 0
    while len(body) < length:
        body += stream.recv(1 << 16)
    return head, body


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return an answer with its length."""
    lines = "".join(f"{line}\r\n" for line in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def zeros(mebibytes: int, *layers: str) -> bytes:
    """Return so many MiB of zeros, compressed by each of `layers` in turn: gzip or deflate."""
    first, *others = layers
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31 if first == "gzip" else 15)
    packed = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(mebibytes)) + squeeze.flush()
    for layer in others:
        packed = gzip.compress(packed) if layer == "gzip" else zlib.compress(packed)
    return packed


def peak(stderr: str) -> int:
    """Return what a command started by PEAK took at most, in MiB."""
    return int(stderr.splitlines()[-1].removeprefix("peak "))


def same(*pieces: bytes) -> Callable[[bytes, bytes], Sequence[bytes]]:
    """Return what answers every request alike."""
    return lambda _head, _body: pieces


def certificate(name: str) -> ssl.SSLContext:
    """Return TLS with one of the certificates in tests/support/tls."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.pem")
    return context
