"""What an invocation wrote, as far as an answer may yet show that it has to be taken back."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

from ai_memory.reembed.sweep.kept import Kept
from ai_memory.reembed.sweep.watch import Watch

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Embedded
    from ai_memory.reembed.sweep.pipeline import Answered


class Trail:
    """The rows written since the endpoint was last seen to be right, in each of the ways in which that is seen."""

    def __init__(self, chance: Random) -> None:
        """Begin with nothing written; `chance` chooses the rows that are kept in mind."""
        # Since the witness agreed; since rows agreed that were asked again with nothing else in flight.
        self._watch, self._unproven, self._kept = Watch(), Watch(), Kept(chance)
        self._asked: set[str] = set()

    @property
    def link(self) -> tuple[Embedded, ...]:
        """A row of the last page that was written, none before the first."""
        return tuple(self._kept.link)

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
        ids = [*(each.document.id for each in answered.outcomes), *(each.id for each in answered.page.duplicates)]
        self._watch.wrote(ids)
        self._unproven.wrote(ids)
        self._kept.wrote(answered.outcomes, ids, alone=alone)

    def witness_agreed(self) -> None:
        """Record that the witness was asked for again, and agreed."""
        self._watch.agreed()

    def rows_agreed(self, *, at_end: bool = False) -> None:
        """Record that rows agreed that were asked again with nothing else in flight; `at_end`: from all over it."""
        self._unproven.agreed()
        if at_end:
            self._kept.agreed()

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
