"""One worker process on this machine, seen from the program that starts it."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.embed.pools.channel import Answer, Ask, Begin, Computed, Failed, Loaded, Message, Tell, Told
from ai_memory.embed.pools.child import Child
from ai_memory.embed.pools.conversation import Conversation
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
        self._tell, self._questions = tell, Questions()
        child = Child("ai_memory.embed.pools.in_process")
        self._spoken: Conversation[Message] = Conversation(child, awaited, self._take, self._questions.end)
        with suppress(OSError):
            self._spoken.say(begin)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._spoken.pid

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
                self._spoken.say(Ask(number, texts, query))
            except OSError:
                waiting = self._questions.withdraw(number)
                self.close()
                if not waiting.done():
                    waiting.set_result(Ended(self.how, sent=False))
                return waiting
        return answer

    def hang_up(self) -> None:
        """Speak to it no more, by which it ends."""
        self._spoken.hang_up()

    def close(self) -> None:
        """End it, and wait for that. A second call does nothing."""
        self._spoken.close()

    def _take(self, message: Message) -> None:
        if isinstance(message, Told):
            self._tell(message.text)
        elif isinstance(message, Computed | Loaded | Failed):
            self._questions.answered(message)
