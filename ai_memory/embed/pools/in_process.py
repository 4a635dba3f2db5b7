"""The worker process itself: loads the model, answers questions, and ends when whoever started it is gone.

Its main thread does nothing but read: so the end of the other side is seen at once, also in the middle of a long
computation. Signals for the end of the program do not reach it (see `child`).
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.embed.pools.answering import Answering
from ai_memory.embed.pools.channel import LOADING, Ask, Begin, Channel, Failed, Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.embed.pools.channel import Answer, Message


def main() -> None:
    """Serve over the socket whose number is the first argument, until its other end is closed; never returns."""
    channel: Channel[Message] = Channel(socket.socket(fileno=int(sys.argv[1])))
    begin = channel.receive()
    if isinstance(begin, Begin):
        _serve(channel, begin)
    # Whatever threads still compute: nobody waits for it.
    os._exit(0)


def _serve(channel: Channel[Message], begin: Begin) -> None:
    def send(message: Message) -> None:
        # Where nobody is left to read it, the process ends.
        with suppress(OSError):
            channel.send(message)

    def say(number: int, what: Callable[[], Answer]) -> None:
        try:
            send(what())
        except Exception:
            # A bug is shown where the program runs, with its traceback.
            send(Failed(number, bug=traceback.format_exc()))
            raise

    answering = Answering(begin, lambda text: send(Told(text)))
    executor = ThreadPoolExecutor(begin.at_once)
    executor.submit(say, LOADING, answering.load)
    while (message := channel.receive()) is not None:
        if isinstance(message, Ask):
            executor.submit(say, message.number, partial(answering.answer, message))
