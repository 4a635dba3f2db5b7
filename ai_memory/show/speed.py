"""How fast a sweep gets on, and what it waits for: what its last minutes say, and not those before an outage."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from ai_memory.embed.usage import Usage
from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.reembed.events import Spell

WINDOW_S = 120.0
"""Older than that tells nothing of now."""
STEP_S = 1.0
"""Pages within it are one step: a fast run commits hundreds a second, and each reading sums all steps."""


class Reading(Frozen):
    """Rows and tokens a second (0: nobody counts these), and what most of the time goes into (empty: not known)."""

    rows: float
    tokens: float
    held_back_by: str


@dataclass(slots=True)
class _Step:
    began: float
    at: float
    rows: int = 0
    seconds: float = 0.0
    awaiting: float = 0.0
    writing: float = 0.0
    used: Usage = field(default_factory=Usage)

    def add(self, now: float, rows: int, spell: Spell | None) -> None:
        self.at, self.rows = now, self.rows + rows
        if spell:
            self.seconds += spell.seconds
            self.awaiting += spell.awaiting
            self.writing += spell.writing
            self.used += spell.used


class Speed:
    """The steps of one sweep, by the seconds of a clock that never goes back."""

    def __init__(self, began: float) -> None:
        """Begin with nothing done."""
        self._began = began
        self._steps: deque[_Step] = deque()

    def advance(self, now: float, rows: int, spell: Spell | None) -> None:
        """Record that `rows` were done in a spell (None: nobody took the time)."""
        if not self._steps or now - self._steps[-1].began >= STEP_S:
            self._steps.append(_Step(now, now))
        self._steps[-1].add(now, rows, spell)

    def read(self, now: float) -> Reading:
        """Return how fast it has been of late."""
        while self._steps and self._steps[0].at < now - WINDOW_S:
            self._steps.popleft()
        seconds = max(now - max(self._began, now - WINDOW_S), 1e-9)
        used = reduce(add, (each.used for each in self._steps), Usage())
        return Reading(sum(each.rows for each in self._steps) / seconds, used.tokens / seconds, self._holder(used))

    def _holder(self, used: Usage) -> str:
        seconds = sum(each.seconds for each in self._steps)
        awaiting, writing = sum(each.awaiting for each in self._steps), sum(each.writing for each in self._steps)
        reading = seconds - awaiting - writing
        if not seconds:
            return ""
        if awaiting >= max(writing, reading):
            return _awaited(used)
        return "writing to the database" if writing >= reading else "reading the database"


def _awaited(used: Usage) -> str:
    """Return who is waited for where answers are."""
    if used.paced > used.asking:
        return "the endpoint's rate limit"
    return "the model" if used.seconds else "the endpoint"
