"""What runs in an actor, on whichever machine of the cluster; it knows nothing of Ray."""

from __future__ import annotations

import pickle
from threading import Lock
from typing import TYPE_CHECKING

from ai_memory import __version__
from ai_memory.embed.pools.answering import Answering

if TYPE_CHECKING:
    from ai_memory.embed.pools.channel import Answer, Ask, Begin

Said = tuple[tuple[str, ...], bytes]
"""What was told meanwhile, and a pickled answer."""


class Actor:
    """Answers questions with one embedder, several side by side."""

    def __init__(self, begin: bytes) -> None:
        """Load nothing yet; `begin` is a pickled `Begin`."""
        read: Begin = pickle.loads(begin)  # noqa: S301 - it is our own program that sent it
        self._lock = Lock()
        self._told: list[str] = []
        self._answering = Answering(read, self._tell)

    def version(self) -> str:
        """Return the release of this program on this machine."""
        return __version__

    def load(self) -> Said:
        """Load the model, and return how that ended."""
        return self._said(self._answering.load())

    def answer(self, ask: bytes) -> Said:
        """Return the answer to a pickled `Ask`."""
        read: Ask = pickle.loads(ask)  # noqa: S301 - see above
        return self._said(self._answering.answer(read))

    def _tell(self, text: str) -> None:
        with self._lock:
            self._told.append(text)

    def _said(self, answer: Answer) -> Said:
        with self._lock:
            told, self._told = tuple(self._told), []
        return told, pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
