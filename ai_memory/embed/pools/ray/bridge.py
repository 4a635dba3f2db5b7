"""The process that speaks to Ray, seen from this program, and each actor, seen as a worker."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from ai_memory.embed.pools.channel import Answer, Ask, Failed, Loaded, Tell
from ai_memory.embed.pools.child import Child
from ai_memory.embed.pools.conversation import Conversation
from ai_memory.embed.pools.ray.messages import Came, Dismiss, Failing, Hire, Join, Joined, Left, NotJoined, Pass, Room
from ai_memory.embed.pools.worker import Ended, Questions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ai_memory.embed.awaited import Awaited
    from ai_memory.embed.pools.channel import Begin
    from ai_memory.embed.pools.ray.messages import RayMessage

LOST = "with the Ray that it belonged to"


class Bridge:
    """The process that speaks to Ray; it is started by this object's creation, and the Ray with it.

    Once it has ended, the folder of that Ray is removed.
    """

    def __init__(self, join: Join, env: Mapping[str, str], awaited: Awaited) -> None:
        """Start it; by `awaited` all that is waited for can be broken off.

        Raises:
            OSError: the system starts no more processes.
        """
        self._folder = join.folder
        self._lock = Lock()
        self._actors: dict[int, RayWorker] = {}
        self._joined: Future[Joined | NotJoined] = Future()
        self.has_ended, self._spare = False, 0
        child = Child("ai_memory.embed.pools.ray.in_bridge", env=env)
        self._spoken: Conversation[RayMessage] = Conversation(child, awaited, self._take, self._ended)
        self.send(join)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._spoken.pid

    def joined(self) -> Joined | NotJoined:
        """Return how joining the cluster ended, once it has."""
        return self._joined.result()

    def hire(self, number: int, begin: Begin, tell: Tell) -> RayWorker:
        """Start an actor, whose number nobody else has had; `tell` is told what it says to people."""
        actor = RayWorker(number, self.send, tell)
        with self._lock:
            self._actors[number] = actor
            gone, self._spare = self.has_ended, 0
        if gone:
            actor.end(LOST, blames=False)
        else:
            self.send(Hire(number, pickle.dumps(begin), begin.at_once))
        return actor

    def spare(self) -> int:
        """Return how many actors more there is room for, as far as that is news: what was told is not told again."""
        with self._lock:
            spare, self._spare = self._spare, 0
        return spare

    def send(self, message: RayMessage) -> None:
        """Say something to it; where it has ended, whoever waits hears that."""
        with suppress(OSError):
            self._spoken.say(message)

    def close(self) -> None:
        """End it, and the Ray that it started, and wait for that. A second call does nothing."""
        self._spoken.close()

    def _ended(self, how: str) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        with self._lock:
            self.has_ended = True
            actors = list(self._actors.values())
        for each in actors:
            each.end(LOST, blames=False)
        if not self._joined.done():
            self._joined.set_result(NotJoined(f"the process that speaks to it ended {how}"))

    def _take(self, message: RayMessage) -> None:
        match message:
            case Joined() | NotJoined():
                self._joined.set_result(message)
            case Came(worker, told, answer):
                self._actors[worker].said(told)
                self._actors[worker].came(pickle.loads(answer))  # noqa: S301 - our own actor's
            case Failing(worker, number, bug):
                self._actors[worker].came(Failed(number, bug=bug))
            case Room(cores):
                with self._lock:
                    self._spare = cores
            case Left(worker, how, blames, no_room):
                self._actors[worker].end(how, blames=blames, no_room=no_room)


class RayWorker:
    """An actor, which loads a model and embeds; a `Worker`."""

    def __init__(self, number: int, send: Callable[[RayMessage], None], tell: Tell) -> None:
        """Speak to it by `send`; `tell` is told what it says to people."""
        self._number, self._send, self._tell = number, send, tell
        self._questions = Questions()

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
            ask = pickle.dumps(Ask(number, texts, query), protocol=pickle.HIGHEST_PROTOCOL)
            self._send(Pass(self._number, number, ask))
        return answer

    def said(self, texts: Sequence[str]) -> None:
        """Pass on what it says to people."""
        for text in texts:
            self._tell(text)

    def came(self, answer: Answer) -> None:
        """Take an answer."""
        self._questions.answered(answer)

    def end(self, how: str, *, blames: bool = True, no_room: bool = False) -> None:
        """Record that it ended; see `Ended`."""
        self._questions.end(how, blames=blames, no_room=no_room)

    def hang_up(self) -> None:
        """Have it end."""
        self._send(Dismiss(self._number))
        self.end("as it was dismissed", blames=False)

    def close(self) -> None:
        """Have it end; that it has, only the cluster knows."""
        self.hang_up()
