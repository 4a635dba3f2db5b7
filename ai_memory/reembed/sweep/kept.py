"""What an invocation wrote, as far as it is kept in mind: some of its rows, to be asked again, and the ids of all.

A server that restarts may give a model's vectors for a while, another's for a time, and then the first one's again.
What is asked beside a page agrees with it all through; only rows of earlier pages show it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from random import Random
from typing import TYPE_CHECKING

from ai_memory.reembed.sweep.asked_again import choose
from ai_memory.reembed.work import Again

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Embedded, Outcome

MOST = 64
"""Pages of which a row is kept in mind, beside the last one. A choice of 2026-11-25, not measured."""


class Kept:
    """Rows written in this invocation, one per page."""

    def __init__(self, chance: Random) -> None:
        """Begin with none; `chance` chooses."""
        self._chance = chance
        self._last: list[Embedded] = []
        self._others: list[Embedded] = []
        self._pages = 0
        self._alone = False
        # About 40 bytes per row: as strings they would take twice as much.
        self._ids: list[bytes] = []

    @property
    def link(self) -> list[Embedded]:
        """A row of the last page that was written, none before the first."""
        return self._last

    @property
    def rows(self) -> list[Embedded]:
        """Rows from all over what was written since rows last agreed at an end, the last page's at last.

        None where that is one page of which rows were asked again with nothing else in flight.
        """
        return [] if self._pages == int(self._alone) else [*self._others, *self._last]

    def wrote(self, outcomes: Sequence[Outcome], ids: Sequence[str], *, alone: bool) -> None:
        """Record that a page was written, with `ids` in all; `alone`: rows of it agreed while nothing was in flight."""
        self._ids.append(json.dumps(ids).encode())
        if not (chosen := choose(outcomes, Again(1), self._chance)):
            return
        # Every page before the last is kept with the same chance (reservoir sampling, Vitter 1985).
        before = self._last if self._pages else []
        kept = self._chance.randrange(max(self._pages, 1))
        if len(self._others) < MOST:
            self._others += before
        elif kept < MOST:
            self._others[kept : kept + 1] = before
        self._pages += 1
        self._last, self._alone = chosen, alone and self._pages == 1

    def agreed(self) -> None:
        """Record that the rows agreed at an end."""
        self._others, self._pages, self._alone = [], 0, False

    def has(self, each: Embedded) -> bool:
        """Return whether a row is one of those kept in mind."""
        return each.document.id in {row.document.id for row in (*self._others, *self._last)}

    def drop(self, ids: Collection[str]) -> None:
        """Forget those rows of `ids` that are kept in mind: they are stale again."""
        left = [each for each in (*self._others, *self._last) if each.document.id not in ids]
        self._others, self._last = left[:-1], left[-1:]

    def forget(self) -> list[str]:
        """Return the ids of all that was written, and begin with none."""
        ids = [each for page in self._ids for each in json.loads(page)]
        self._ids, self._others, self._last = [], [], []
        return ids
