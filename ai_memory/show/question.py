"""A question to the person at the terminal, on stderr, and the answer."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.show.console import SafeStream

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
