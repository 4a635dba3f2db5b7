"""Answers questions with one embedder, where nobody who asks can see it: in a process of its own, or in an actor."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

from ai_memory.embed.pools.channel import LOADING, Answer, Ask, Begin, Computed, Failed, Loaded, Tell, computed
from ai_memory.errors import AiMemoryError
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.port import Embedder
    from ai_memory.embed.usage import Usage


class Answering:
    """One embedder, which is made by `load`; any thread may ask."""

    def __init__(self, begin: Begin, tell: Tell) -> None:
        """Make nothing yet; `tell` is told what a person should know."""
        self._begin, self._tell = begin, tell
        self._made = Event()
        self._embedder: Embedder | None = None

    def load(self) -> Answer:
        """Load the model, and return how that ended: the first thing that it is asked are the witness texts."""
        try:
            return self._loaded()
        except AiMemoryError as error:
            return Failed(LOADING, error)
        finally:
            self._made.set()

    def answer(self, ask: Ask) -> Answer:
        """Return the answer to one question, once the model is loaded."""
        self._made.wait()
        return self._vectors(ask)

    def _loaded(self) -> Loaded:
        embedder = self._begin.make(self._tell)
        with embedder.meter.counting() as tally:
            vectors = embedder.embed_documents(WITNESS_TEXTS)
        self._embedder = embedder
        return Loaded(embedder.target, computed(LOADING, vectors, _cost(tally.usage)))

    def _vectors(self, ask: Ask) -> Computed | Failed:
        embedder = self._embedder
        if embedder is None:
            raise RuntimeError("asked before the model was loaded")
        with embedder.meter.counting() as tally:
            try:
                vectors = embedder.embed_query(ask.texts[0]) if ask.query else embedder.embed_documents(ask.texts)
            except AiMemoryError as error:
                return Failed(ask.number, error, usage=_cost(tally.usage))
        return computed(ask.number, vectors, _cost(tally.usage))


def _cost(spent: Usage) -> Usage:
    """Return what is only known here; what was sent, and for how long, is counted at the other end."""
    return replace(spent, requests=0, texts_sent=0, seconds=0.0)
