"""The worker process itself: loads the model, answers questions, and ends when whoever started it is gone.

Its main thread does nothing but read: so the end of the other side is seen at once, also in the middle of a long
computation. Signals for the end of the program do not reach it (see `process`).
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

from ai_memory.embed.pools.channel import LOADING, Answer, Ask, Begin, Channel, Failed, Loaded, Message, Told, computed
from ai_memory.errors import AiMemoryError
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.embed.port import Embedder
    from ai_memory.embed.usage import Usage


def main() -> None:
    """Serve over the socket whose number is the first argument, until its other end is closed; never returns."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    begin = channel.receive()
    if isinstance(begin, Begin):
        _serve(channel, begin)
    # Whatever threads still compute: nobody waits for it.
    os._exit(0)


def _serve(channel: Channel, begin: Begin) -> None:
    worker = _Worker(channel, begin)
    executor = ThreadPoolExecutor(begin.at_once)
    executor.submit(worker.load)
    while (message := channel.receive()) is not None:
        if isinstance(message, Ask):
            executor.submit(worker.answer, message)


class _Worker:
    """Answers with one embedder, which is made by `load`."""

    def __init__(self, channel: Channel, begin: Begin) -> None:
        self._channel, self._begin = channel, begin
        self._made = Event()
        self._embedder: Embedder | None = None

    def load(self) -> None:
        """Load the model, and say how that ended."""
        self._say(LOADING, self._loaded)
        self._made.set()

    def answer(self, ask: Ask) -> None:
        """Answer one question."""
        self._made.wait()
        self._say(ask.number, lambda: self._vectors(ask))

    def _loaded(self) -> Loaded:
        embedder = self._begin.make(lambda text: self._send(Told(text)))
        with embedder.meter.counting() as tally:
            vectors = embedder.embed_documents(WITNESS_TEXTS)
        self._embedder = embedder
        return Loaded(embedder.target, computed(LOADING, vectors, _cost(tally.usage)))

    def _vectors(self, ask: Ask) -> Answer:
        embedder = self._embedder
        if embedder is None:
            raise RuntimeError("asked before the model was loaded")
        with embedder.meter.counting() as tally:
            try:
                vectors = embedder.embed_query(ask.texts[0]) if ask.query else embedder.embed_documents(ask.texts)
            except AiMemoryError as error:
                return Failed(ask.number, error, usage=_cost(tally.usage))
        return computed(ask.number, vectors, _cost(tally.usage))

    def _say(self, number: int, what: Callable[[], Answer]) -> None:
        try:
            self._send(what())
        except AiMemoryError as error:
            self._send(Failed(number, error))
        except Exception:
            # A bug is shown where the program runs, with its traceback.
            self._send(Failed(number, bug=traceback.format_exc()))
            raise

    def _send(self, message: Message) -> None:
        # Where nobody is left to read it, the process ends.
        with suppress(OSError):
            self._channel.send(message)


def _cost(spent: Usage) -> Usage:
    """Return what is only known here; what was sent, and for how long, is counted at the other end."""
    return replace(spent, requests=0, texts_sent=0, seconds=0.0)
