"""Says which texts of the calls that wait share a forward pass.

Texts are filled up to the longest of their pass, and what fills them costs as much as text. So a pass has texts of
about one length, whoever asked for them. The oldest call comes first: what has waited longest is whole first, and
never waits for what came later. A text that is asked for by itself is computed by itself, and before all others:
whoever asks so wants to know what a text gets without company, or has nothing else to do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import TYPE_CHECKING, Generic, TypeAlias

import numpy as np

from ai_memory.embed.port import ReadT

if TYPE_CHECKING:
    from ai_memory.errors import AiMemoryError
    from ai_memory.vectors.target import Vectors

MOST_PADDING = 0.05
"""The most of a pass, as a part of its tokens, that may be there to fill texts up.

With docstrings, 100 a call and three calls at once, 1.8 % of the computed tokens are, in passes of 512 tokens. Without
this limit it is 3.5 %, and in passes of 2,048 tokens 12.8 %: one call has too few texts of one length."""


class Call(Generic[ReadT]):
    """The texts of one call; those that are not computed yet wait."""

    def __init__(self, texts: Sequence[ReadT]) -> None:
        """Begin with none computed."""
        self.texts = texts
        self.waiting = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        self.error: AiMemoryError | None = None
        self._found: dict[int, Vectors] = {}

    @property
    def whole(self) -> bool:
        """Whether nothing of it waits any more."""
        return not self.waiting

    @property
    def vectors(self) -> Vectors:
        """Its vectors, in the order of its texts; of a call that is whole.

        Raises:
            AiMemoryError: the one that a pass ended with.
        """
        if self.error:
            raise self.error
        return np.stack([self._found[place] for place in range(len(self.texts))])

    def computed(self, place: int, vector: Vectors) -> None:
        """Take the vector of a text."""
        self._found[place] = vector
        self.waiting.remove(place)

    def failed(self, error: AiMemoryError) -> None:
        """Let nothing of it wait any more: a pass with its texts alone ended so."""
        self.error = error
        self.waiting.clear()

    def no_longer_than(self, tokens: int) -> Iterator[tuple[int, Call[ReadT], int]]:
        """Yield the texts that wait and have at most so many tokens, longest first: minus tokens, call, place."""
        first = bisect_left(self.waiting, -tokens, key=lambda place: -len(self.texts[place]))
        for place in self.waiting[first:]:
            yield -len(self.texts[place]), self, place


Place: TypeAlias = tuple[Call[ReadT], int]
"""A text, by its call and its place there."""


def next_pass(calls: Sequence[Call[ReadT]], most: int) -> list[Place[ReadT]]:
    """Return the texts of the next pass, of at most so many tokens, all filled up; of `calls` the oldest is first.

    A longer text has a pass of its own. None of `calls` is whole.
    """
    for call in calls:
        if len(call.texts) == 1:
            return [(call, 0)]
    oldest = calls[0]
    longest = len(oldest.texts[oldest.waiting[0]])
    chosen: list[Place[ReadT]] = []
    tokens = 0
    for less, call, place in merge(*(each.no_longer_than(longest) for each in calls), key=lambda text: text[0]):
        filled = longest * (len(chosen) + 1)
        tokens -= less
        if chosen and (filled > most or filled - tokens > MOST_PADDING * filled):
            break
        chosen.append((call, place))
    return chosen
