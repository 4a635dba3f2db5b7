"""A connection to PostgreSQL that can be lost at COMMIT: before the server hears of it, or before its answer comes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Thread
from urllib.parse import urlsplit

COMMIT = b"COMMIT\x00"
CHUNK = 65_536


@dataclass(slots=True)
class _Proxy:
    server: tuple[str, int]
    answered: bool
    listening: socket.socket
    armed: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)

    def serve(self) -> None:
        """Carry what each client and the server say to each other, until it is over."""
        self.listening.settimeout(0.05)
        while not self.over.is_set():
            with suppress(TimeoutError):
                client, _ = self.listening.accept()
                # Whoever connects anew is not failed again.
                self.armed.clear()
                Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self.server) as server, DefaultSelector() as selector:
            selector.register(client, EVENT_READ, server)
            selector.register(server, EVENT_READ, client)
            while not self.over.is_set():
                for key, _ in selector.select(timeout=0.05):
                    source, other = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    said = source.recv(CHUNK)
                    if not said:
                        return
                    if source is client and COMMIT in said and self.armed.is_set():
                        if self.answered:
                            server.sendall(said)
                            server.recv(CHUNK)
                        return
                    other.sendall(said)


@contextmanager
def between(url: str, *, answered: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield another address of a database, and what makes every COMMIT there fail until somebody connects anew.

    `answered`: the server has committed; only its answer is lost.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = _Proxy((parts.hostname, parts.port), answered, listening)
        thread = Thread(target=proxy.serve, daemon=True)
        thread.start()
        try:
            port = listening.getsockname()[1]
            yield parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl(), proxy.armed.set
        finally:
            proxy.over.set()
            thread.join()
