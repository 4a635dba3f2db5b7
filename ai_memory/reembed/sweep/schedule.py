"""Says which rows are asked again, one text per request: what a text gets in company must be what it gets by itself.

Endpoints were seen that mix up the vectors of one request, spoil them in large requests or while several are in
flight, or give one vector to many texts. None of it shows in an answer. So each invocation

- holds its first page until three of its rows, spread over it, agree; nothing else is in flight then;
- asks a row of each of the first pages, later of every twentieth, beside the other requests in flight;
- asks, beside each such row, for one of the page that was written last: another model may have come in between;
- asks both whenever twice as many requests are in flight as at the last such time: what was written with fewer beside
  it is right, or was seen not to be;
- asks one with nothing else in flight after so many pages, and sooner where twice as many requests are in flight as at
  the last such time: damage by requests side by side may be the same for both, and shows only then;
- asks at the end for rows from all over what it wrote, with nothing else in flight.

Where the run was lied to before, a row of every request is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from random import Random

from ai_memory.embed.outcomes import Embedded, Outcome, embedded_of
from ai_memory.reembed.sweep.alike import sharing_a_vector, too_many
from ai_memory.reembed.work import Again

FIRST = 3
"""Rows of the first page."""
LAST = 4
"""Of pages of which one row is asked again it is the last one for every so many: some lie about that one alone."""
LEAST, SMALL = 10, 200
"""Rows of a run of more than SMALL ones that are asked again at least."""
DENSE, EVERY = 16, 20
"""Of the first DENSE pages each is asked, later every so many: an endpoint that lies now and then is found early."""
QUIET = 64
"""Pages for each request in flight between two checks with nothing else in flight: waiting for that costs three rounds.

So many in all where twice as many are in flight as at the last one. At once would cost more than it saves while their
number doubles each round: the rows of the pages before, asked for beside them, show the damage too."""
LOOKED_AT = 128
"""Rows of a page that are compared with each other; 5 ms at 1,024 dimensions (two cores, 2026-11-25)."""
SUSPECTS = 2
"""Of those that do, so many are asked again: where a vector is in the wrong place, it is so for one of any two."""


class Schedule:
    """Says of each page, as it is read, how many of its rows are asked again."""

    def __init__(self, *, rows: int = 0, batch: int = 1, doubted: bool = False) -> None:
        """Begin with `rows` to do in pages of `batch`; `doubted`: the run was lied to before."""
        self.doubted = doubted
        # Of each page so many that there are LEAST at the end.
        self._share = LEAST / ceil(rows / batch) if rows > SMALL else 0
        self._asked = self._pages = self._alone_at = 0
        self._most_beside = self._most_side_by_side = 1

    def next(self, documents: int, *, side_by_side: int, size: int) -> Again:
        """Return what is asked again of the next page; requests carry `size` texts, `side_by_side` are in flight."""
        if not documents:
            return Again()
        self._pages += 1
        rows = max(self._rows(), side_by_side >= 2 * self._most_beside)
        if self.doubted and size > 1:
            rows = max(rows, ceil(documents / size))
        alone = self._alone(side_by_side, rows)
        rows = min(max(rows, alone), documents)
        if rows:
            self._most_beside = max(self._most_beside, side_by_side)
        self._asked += rows
        return Again(rows, size, alone)

    def most(self, batch: int, *, size: int) -> int:
        """Return how many rows of a page of `batch` may be asked again."""
        rows = max(FIRST, ceil(self._share) + 1, ceil(batch / size) if self.doubted and size > 1 else 0)
        return min(rows, batch)

    def most_again(self, batch: int, *, size: int) -> int:
        """Return how many rows may be asked again beside a page of `batch`: of it, and one of the page before."""
        return min(self.most(batch, size=size) + SUSPECTS, batch) + 1

    @property
    def at_first(self) -> bool:
        """Whether the last page is the first one."""
        return self._pages == 1

    def begin_anew(self) -> None:
        """Check as at the beginning: something was changed because the endpoint lied."""
        self.doubted = True
        self._pages = self._alone_at = 0
        self._most_beside = self._most_side_by_side = 1

    def _rows(self) -> int:
        lacking = min(ceil(self._share * self._pages), LEAST, self._asked + ceil(self._share) + 1) - self._asked
        if self._pages == 1:
            return max(FIRST, lacking)
        return max(self._pages <= DENSE or self._pages % EVERY == 0, lacking)

    def _alone(self, side_by_side: int, rows: int) -> bool:
        if self._pages == 1 or side_by_side < 2:
            # By itself whatever is done.
            return rows > 0
        since = self._pages - self._alone_at
        if since < (QUIET if side_by_side >= 2 * self._most_side_by_side else QUIET * side_by_side):
            return False
        self._most_side_by_side, self._alone_at = side_by_side, self._pages
        return True


def choose(outcomes: Sequence[Outcome], again: Again, chance: Random) -> list[Embedded]:
    """Return the rows of a page to be asked again: one from each part of it, of several the very last."""
    whole = embedded_of(outcomes)
    if not whole or not again.rows:
        return []
    requests = ceil(len(whole) / again.size) if again.size else 1
    if again.rows >= requests > 1:
        bounds = [*range(0, len(whole), again.size), len(whole)]
    else:
        bounds = [len(whole) * part // again.rows for part in range(again.rows + 1)]
    chosen = [chance.randrange(start, end) for start, end in pairwise(bounds) if start < end]
    if len(chosen) > 1 or not chance.randrange(LAST):
        chosen[-1] = len(whole) - 1
    return [whole[each] for each in chosen]


def look_at(outcomes: Sequence[Outcome], chance: Random) -> tuple[tuple[Embedded, ...], bool]:
    """Return the rows of a page, as far as it is looked at, that share a vector; and whether they are too many."""
    looked_at = chance.sample(outcomes, min(len(outcomes), LOOKED_AT))
    sharing = sharing_a_vector(looked_at)
    return sharing, too_many(len(sharing), len(looked_at))


def chosen_of(outcomes: Sequence[Outcome], again: Again, sharing: Sequence[Embedded], chance: Random) -> list[Embedded]:
    """Return the rows of a page to ask again, each once: some of those `sharing` a vector, some of all."""
    rows = [*sharing[:SUSPECTS], *choose(outcomes, again, chance)]
    return list({each.document.id: each for each in rows}.values())
