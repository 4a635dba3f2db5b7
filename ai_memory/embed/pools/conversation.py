"""What is said to a child and by it, until it ends: one thread reads, any may speak."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from ai_memory.embed.pools.channel import Channel

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited
    from ai_memory.embed.pools.child import Child

MessageT = TypeVar("MessageT")


class Conversation(Generic[MessageT]):
    """One with a process that was started for it."""

    def __init__(
        self, child: Child, awaited: Awaited, take: Callable[[MessageT], None], ended: Callable[[str], None]
    ) -> None:
        """Begin to read; `take` is called with each message, and `ended` at last, with how the process ended.

        By `awaited` it can be broken off. Both are called in a thread of their own, from now on.
        """
        self._child, self._take, self._ended = child, take, ended
        self._channel: Channel[MessageT] = Channel(child.socket)
        awaited.add(child.socket)
        self._reader = Thread(target=self._read, name="conversation", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._child.pid

    def say(self, message: MessageT) -> None:
        """Send a message; raises OSError where the process is gone."""
        self._channel.send(message)

    def hang_up(self) -> None:
        """Say no more, by which the process ends."""
        with suppress(OSError):
            self._child.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up, and wait for the end. A second call does nothing."""
        self.hang_up()
        self._reader.join()

    def _read(self) -> None:
        try:
            while (message := self._channel.receive()) is not None:
                self._take(message)
        finally:
            # Whatever happened: nobody waits for ever.
            self.hang_up()
            how = self._child.reaped()
            self._channel.close()
            self._ended(how)
