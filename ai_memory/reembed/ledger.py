"""What an invocation's requests cost and taught, as its answers tell; kept by the thread that commits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.embed.usage import Meter, Usage
from ai_memory.reembed.work import Learned, PageAnswer, Sizes
from ai_memory.stores.computing import Computing

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder

IN_TIME = "in_time"
"""The one size that may grow again: each worker finds its own."""


class Ledger:
    """The sum over all answers, and over what the driver asks for itself."""

    def __init__(self) -> None:
        """Begin with nothing spent or known."""
        self.spent = Usage()
        self._learned = Learned()
        self._meter: Meter | None = None

    def pay_with(self, meter: Meter) -> None:
        """Move `meter`, by which limits are kept, by what workers tell that have meters of their own."""
        self._meter = meter

    @property
    def sizes(self) -> Sizes:
        """What was learned of the size of a request, to be kept in the run."""
        return self._learned.sizes

    @property
    def sizes_for_others(self) -> Sizes:
        """What of it every worker must keep to."""
        return {name: most for name, most in self.sizes.items() if name != IN_TIME}

    @property
    def inputs(self) -> int:
        """The most texts that a request carries, as far as is known."""
        return self._learned.inputs

    @property
    def computing(self) -> Computing | None:
        """How a model on this machine computed, None where there is none, or it computed nothing yet."""
        spent, known = self.spent, self._learned
        if not spent.computed or not spent.seconds:
            return None
        return Computing(known.engine, known.threads, spent.computed, spent.filling, spent.seconds)

    def settle(self, answer: PageAnswer) -> None:
        """Count what an answer cost, and keep what it taught; once for each answer."""
        self.spent += answer.usage
        if self._meter:
            self._meter.add(answer.usage)
        if answer.learned:
            self.learn(answer.learned)

    def learn(self, learned: Learned) -> None:
        """Keep what a worker knows: each size at its lowest, but for the one that may grow."""
        lowest = _lowest(self.sizes, learned.sizes)
        self._learned = replace(learned, sizes=lowest, inputs=min(learned.inputs, lowest.get("inputs", learned.inputs)))

    def require(self, sizes: Sizes) -> None:
        """Keep sizes that nobody learned, but all must keep to from now on."""
        self.learn(replace(self._learned, sizes={**self.sizes, **sizes}))

    @contextmanager
    def counting(self, embedder: ResilientEmbedder) -> Iterator[None]:
        """Count what the calling thread itself spends on `embedder` inside the block."""
        with embedder.meter.counting() as tally:
            try:
                yield
            finally:
                self.spent += tally.usage
                self.learn(Learned.by(embedder))


def _lowest(known: Mapping[str, int], told: Mapping[str, int]) -> dict[str, int]:
    found = {name: min(most, told.get(name, most)) for name, most in known.items() if name != IN_TIME}
    return {**told, **found}
