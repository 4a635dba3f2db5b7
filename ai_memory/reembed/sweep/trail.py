"""What an invocation wrote, as far as an answer may yet show that it has to be taken back.

A server that restarts may give a model's vectors for a while, another's for a time, and then the first one's again.
What is asked beside a page agrees with it all through; only rows of earlier pages show it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING

from ai_memory.reembed.doubt import MOST
from ai_memory.reembed.sweep.inherited import Inherited
from ai_memory.reembed.sweep.schedule import choose
from ai_memory.reembed.work import Again

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Embedded, Outcome
    from ai_memory.reembed.work import Answered


class Watch:
    """The ids written since the last witness but one that agreed.

    Not since the last: pages that were in flight beside it may have been answered after it.
    """

    def __init__(self) -> None:
        """Begin with nothing written."""
        self._before: list[str] = []
        self._since: list[str] = []

    def wrote(self, ids: Iterable[str]) -> None:
        """Record that rows were written."""
        self._since += ids

    def agreed(self) -> None:
        """Record that the witness was asked for again, and agreed."""
        self._before, self._since = self._since, []

    def doubtful(self) -> list[str]:
        """Return the rows whose vectors may be of other weights."""
        return [*self._before, *self._since]


class Kept:
    """Rows written in this invocation, one per page, and before it, until they agree at an end or are taken back."""

    def __init__(self, chance: Random, inherited: Inherited) -> None:
        """Begin with what is `inherited`; `chance` chooses."""
        self._chance = chance
        self._inherited = list(inherited.rows)
        self._taken: list[Embedded] = []
        self._met = 0
        self._others: list[Embedded] = []
        self._last: list[Embedded] = []
        self._pages = 0
        self._alone = False
        # About 23 bytes per row of a UUID: as strings they would take four times as much.
        self._ids: list[bytes] = [_packed(inherited.ids)]

    @property
    def link(self) -> list[Embedded]:
        """A row of the last page that was written, before the first one of what is inherited."""
        return self._last or self.before[-1:]

    @property
    def before(self) -> list[Embedded]:
        """Rows from all over what earlier invocations were given: what is inherited, and what was taken again."""
        return [*self._inherited, *self._taken]

    def took(self, rows: Sequence[Embedded]) -> None:
        """Record vectors that were kept and taken again: few rows of many pages would say as little as of one."""
        for each in rows:
            self._met += 1
            # Every row is kept with the same chance, as the pages are.
            place = self._chance.randrange(self._met)
            if len(self._taken) < MOST:
                self._taken.append(each.apart())
            elif place < MOST:
                self._taken[place] = each.apart()

    @property
    def rows(self) -> list[Embedded]:
        """Rows from all over what was written since rows last agreed at an end, the last page's at last.

        None where that is one page of which rows were asked again with nothing else in flight.
        """
        return [] if self._pages == int(self._alone) else [*self._others, *self._last]

    def wrote(self, outcomes: Sequence[Outcome], ids: Sequence[str], *, alone: bool) -> None:
        """Record that a page was written, with `ids` in all; `alone`: rows of it agreed while nothing was in flight."""
        self._ids.append(_packed(ids))
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
        self._last, self._alone = [each.apart() for each in chosen], alone and self._pages == 1

    def agreed(self) -> None:
        """Record that the rows agreed at an end."""
        self._inherited, self._taken, self._met = [], [], 0
        self._others, self._pages, self._alone = [], 0, False

    def has(self, each: Embedded) -> bool:
        """Return whether a row is one of those kept in mind."""
        return each.document.id in {row.document.id for row in (*self.before, *self._others, *self._last)}

    def drop(self, ids: Collection[str]) -> None:
        """Forget those rows of `ids` that are kept in mind: they are stale again."""
        self._inherited = [each for each in self._inherited if each.document.id not in ids]
        self._taken = [each for each in self._taken if each.document.id not in ids]
        left = [each for each in (*self._others, *self._last) if each.document.id not in ids]
        self._others, self._last = left[:-1], left[-1:]

    def forget(self) -> list[str]:
        """Return the ids of all that was written, and begin with none."""
        ids = [each for page in self._ids for each in _unpacked(page)]
        self._ids, self._inherited, self._taken, self._others, self._last = [], [], [], [], []
        return ids


def _packed(ids: Sequence[str]) -> bytes:
    return zlib.compress(json.dumps(ids).encode(), level=1)


def _unpacked(page: bytes) -> list[str]:
    ids: list[str] = json.loads(zlib.decompress(page))
    return ids


class Trail:
    """The rows written since the endpoint was last seen to be right, in each of the ways in which that is seen.

    `inherits`: some of them were written before, and rows did not agree at an end since.
    """

    def __init__(self, chance: Random, inherited: Inherited | None) -> None:
        """Begin with what is `inherited` (None: nothing); `chance` chooses the rows that are kept in mind."""
        inherited = inherited or Inherited()
        # Since the witness agreed; since rows agreed that were asked again with nothing else in flight.
        self._watch, self._unproven, self._kept = Watch(), Watch(), Kept(chance, inherited)
        self._asked: set[str] = set()
        self.inherits = bool(inherited.ids)

    @property
    def link(self) -> tuple[Embedded, ...]:
        """A row of the page that was written last, see `Kept`."""
        return tuple(self._kept.link)

    @property
    def before(self) -> list[Embedded]:
        """The rows that earlier invocations were given and that are still in doubt, see `Kept`."""
        return self._kept.before

    @property
    def rows(self) -> list[Embedded]:
        """Rows from all over what was written since rows last agreed at an end, see `Kept`."""
        return self._kept.rows

    def first_asked(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Record that rows were asked again, and return those that never were before."""
        new = tuple(each for each in ids if each not in self._asked)
        self._asked.update(new)
        return new

    def wrote(self, answered: Answered, *, alone: bool) -> None:
        """Record that a page was committed; `alone`: rows of it agreed while nothing else was in flight."""
        unproven = answered.page.unproven
        given = (*answered.outcomes, *unproven)
        ids = [*(each.document.id for each in given), *(each.id for each in answered.page.duplicates)]
        self._watch.wrote(ids)
        self._unproven.wrote(ids)
        self._kept.wrote(answered.outcomes, ids, alone=alone)
        self._kept.took(unproven)

    def witness_agreed(self) -> None:
        """Record that the witness was asked for again, and agreed."""
        self._watch.agreed()

    def rows_agreed(self, *, at_end: bool = False) -> None:
        """Record that rows agreed that were asked again with nothing else in flight; `at_end`: from all over it."""
        self._unproven.agreed()
        if at_end:
            self._kept.agreed()
            self.inherits = False

    def since_witness(self) -> list[str]:
        """Return the rows written since the witness agreed."""
        return self._watch.doubtful()

    def reaches(self, differing: Iterable[Embedded]) -> bool:
        """Return whether one of these rows is of an earlier page."""
        return any(self._kept.has(each) for each in differing)

    def doubtful(self, differing: Iterable[Embedded], *, earlier: bool, other_weights: bool) -> set[str]:
        """Return the rows in doubt because some differ, and forget them.

        Those since rows agreed; where a row of an `earlier` page differs, all that was written, or, where the endpoint
        serves `other_weights` now, all since the witness last agreed.
        """
        before = self._watch.doubtful() if other_weights else []
        if earlier and not before:
            before = self._kept.forget()
        ids = {*before, *self._unproven.doubtful(), *(each.document.id for each in differing)}
        self._kept.drop(ids)
        return ids
