"""How fast a sweep gets on, and what it waits for: what its last minutes say, and not those before an outage."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from ai_memory.embed.usage import Usage

if TYPE_CHECKING:
    from ai_memory.reembed.events import Spell

WINDOW_S = 120.0
"""Older than that tells nothing of now."""


@dataclass(frozen=True, slots=True)
class _Step:
    at: float
    rows: int
    spell: Spell | None


class Pace:
    """The steps of one sweep, by the seconds of a clock that never goes back."""

    def __init__(self, began: float) -> None:
        """Begin with nothing done."""
        self._began = began
        self._steps: deque[_Step] = deque()

    def advance(self, now: float, rows: int, spell: Spell | None) -> None:
        """Record that `rows` were done in a spell (None: nobody took the time)."""
        self._steps.append(_Step(now, rows, spell))

    def rows_per_second(self, now: float) -> float:
        """Return how many rows are done in a second."""
        return sum(each.rows for each in self._recent(now)) / max(now - self._since(now), 1e-9)

    def tokens_per_second(self, now: float) -> float:
        """Return how many tokens are embedded in a second, 0 where nobody counts them."""
        return self._used(now).tokens / max(now - self._since(now), 1e-9)

    def held_back_by(self, now: float) -> str:
        """Return what most of the time goes into, empty where that is not known."""
        spells = [each.spell for each in self._recent(now) if each.spell]
        seconds = sum(each.seconds for each in spells)
        awaiting, writing = sum(each.awaiting for each in spells), sum(each.writing for each in spells)
        reading = seconds - awaiting - writing
        if not seconds:
            return ""
        if awaiting >= max(writing, reading):
            return _awaited(self._used(now))
        return "writing to the database" if writing >= reading else "reading the database"

    def _recent(self, now: float) -> deque[_Step]:
        while self._steps and self._steps[0].at < now - WINDOW_S:
            self._steps.popleft()
        return self._steps

    def _since(self, now: float) -> float:
        return max(self._began, now - WINDOW_S)

    def _used(self, now: float) -> Usage:
        return reduce(add, (each.spell.used for each in self._recent(now) if each.spell), Usage())


def _awaited(used: Usage) -> str:
    """Return who is waited for where answers are."""
    if used.paced > used.asking:
        return "the endpoint's rate limit"
    return "the model" if used.seconds else "the endpoint"
