"""Lets whoever works be ended while the server works long or waits.

psycopg hears of signals while it waits, but what a signal asks for is ours to know: so it is asked between two looks at
the socket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TypeVar

Answer = TypeVar("Answer")
Asked = TypeVar("Asked")
Told = TypeVar("Told")

GRACE_S = 0.3
"""How long a statement runs undisturbed; one that writes a page that was paid for takes some tens of milliseconds."""
NOTHING_CAME = 0
"""What a statement is told each tenth of a second in which the socket was silent."""


def heeded(statement: Generator[Asked, Told, Answer], heed: Callable[[], None]) -> Generator[Asked, Told, Answer]:
    """Run a statement as psycopg does, and ask `heed` while it takes long; what that raises ends the statement."""
    began = time.monotonic()
    try:
        asked = next(statement)
        while True:
            told = yield asked
            if told == NOTHING_CAME and time.monotonic() - began > GRACE_S:
                heed()
            asked = statement.send(told)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
