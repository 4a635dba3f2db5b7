"""A question to the person at the terminal, on stderr, and the answer."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ai_memory.errors import UsageError

if TYPE_CHECKING:
    from ai_memory.show.console import Console, SafeStream

HEED_S = 0.2
"""How long a signal waits at most while an answer is awaited."""


def can_ask(stream: SafeStream) -> bool:
    """Return whether there is somebody at a terminal who can be asked."""
    return sys.stdin.isatty() and stream.isatty()


def agreed(question: str, stream: SafeStream, *, heed: Callable[[], None]) -> bool:
    """Return whether the user says yes to a question on `stream`; `heed` is called meanwhile, and may raise."""
    print(f"{question} [y/N]", end=" ", file=stream, flush=True)
    while not select.select([sys.stdin], [], [], HEED_S)[0]:
        heed()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def asked(question: str, stream: SafeStream) -> str:
    """Return what the user answers to a question on `stream`, without blanks around it.

    Raises:
        UsageError: no answer comes.
    """
    print(f"{question}:", end=" ", file=stream, flush=True)
    if not (line := sys.stdin.readline()):
        raise UsageError("Nothing was written.", tip="Answer, or give the flags that the questions stand for.")
    return line.strip()


def require_asked(why: str, console: Console) -> None:
    """Check that somebody can be asked before what cannot be undone; `why` it cannot, in words.

    Raises:
        UsageError: nobody can.
    """
    if not can_ask(console.err):
        raise UsageError(f"Nothing was changed: {why}.", tip="If that is meant, add --yes.")


def disclose(told: Iterable[str], question: str, console: Console, *, ask: bool, heed: Callable[[], None]) -> None:
    """Tell what is going to be done, also in quiet where somebody is there to `ask` whether it may be; see `agreed`.

    Raises:
        UsageError: the user does not say yes.
    """
    asks = ask and can_ask(console.err)
    if asks or not console.quiet:
        for line in told:
            console.err.line(line)
    if asks and not agreed(question, console.err, heed=heed):
        raise UsageError("Nothing was changed.", tip="Answer y, or use --yes.")
