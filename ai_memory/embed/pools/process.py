"""One worker process on this machine, seen from the program that starts it."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from ai_memory.embed.pools.channel import Answer, Ask, Begin, Channel, Computed, Failed, Loaded, Message, Tell, Told
from ai_memory.embed.pools.child import Child
from ai_memory.embed.pools.worker import Ended, Questions

if TYPE_CHECKING:
    from ai_memory.embed.awaited import Awaited


class WorkerProcess:
    """A process that loads a model and embeds; it is started by this object's creation."""

    def __init__(self, begin: Begin, awaited: Awaited, tell: Tell) -> None:
        """Start it; by `awaited` all that is waited for can be broken off, `tell` is told what it says to people.

        Raises:
            OSError: the system starts no more processes.
        """
        self._child = Child("ai_memory.embed.pools.in_process")
        self._channel: Channel[Message] = Channel(self._child.socket)
        self._tell = tell
        self._questions = Questions()
        awaited.add(self._child.socket)
        self._reader = Thread(target=self._read, name="worker process", daemon=True)
        self._reader.start()
        with suppress(OSError):
            self._channel.send(begin)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._child.pid

    @property
    def how(self) -> str:
        """How it ended, for people; empty as long as it has not."""
        return self._questions.how

    def loaded(self) -> Loaded | Failed | Ended:
        """Return how loading the model ended, once it has."""
        return self._questions.loaded()

    def ask(self, texts: tuple[str, ...], *, query: bool = False) -> Future[Answer | Ended]:
        """Return the answer to come to a question; any thread may ask."""
        number, answer = self._questions.another()
        if not answer.done():
            try:
                self._channel.send(Ask(number, texts, query))
            except OSError:
                waiting = self._questions.withdraw(number)
                self.close()
                if not waiting.done():
                    waiting.set_result(Ended(self.how, sent=False))
                return waiting
        return answer

    def hang_up(self) -> None:
        """Speak to it no more, by which it ends."""
        with suppress(OSError):
            self._child.socket.shutdown(socket.SHUT_RDWR)

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
            how = self._child.reaped()
            self._channel.close()
            self._questions.end(how)

    def _take(self, message: Message) -> None:
        if isinstance(message, Told):
            self._tell(message.text)
        elif isinstance(message, Computed | Loaded | Failed):
            self._questions.answered(message)
