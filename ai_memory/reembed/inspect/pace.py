"""When a run worked and how fast, when it rested, and when the endpoint was away: by what was noted meanwhile."""

from __future__ import annotations

from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.course import CLOSED, ENDED, OPENED, TAKEN, TAKEN_OVER
from ai_memory.text.amounts import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.stores.course import Moment
    from ai_memory.stores.values import Run


class Stretch(Frozen):
    """From one instant to another, in Unix milliseconds."""

    began: int
    ended: int

    @property
    def ms(self) -> int:
        """How long it is."""
        return self.ended - self.began


class Start(Frozen):
    """One start of a run: when it worked, the rows that it wrote (None: not noted), and how it ended.

    `exit_code` is None where it never said so: it was killed, or is at work (`at_work`) still.
    """

    worked: Stretch
    rows: int | None
    exit_code: int | None = None
    reason: str = ""
    at_work: bool = False


class Pace(Frozen):
    """The starts of a run, when the endpoint was away, and how many rows were written when: (Unix milliseconds, rows).

    `points` belong to `starts` by their times. Without points nothing tells the rate.
    """

    starts: tuple[Start, ...]
    outages: tuple[Stretch, ...]
    points: tuple[tuple[int, int], ...]

    @property
    def pauses(self) -> list[Stretch]:
        """When nobody worked between two starts, whatever the reason."""
        between = (Stretch(one.worked.ended, other.worked.began) for one, other in pairwise(self.starts))
        return [each for each in between if each.ms > 0]

    @property
    def curve(self) -> list[tuple[int, int]]:
        """The points by their time, with what each start found at the beginning of the pause before it.

        A start that was killed did not note what it wrote last; nobody wrote it in the pause.
        """
        found = dict(self.points)
        before = [(each.began, found[each.ended]) for each in self.pauses if each.ended in found]
        return sorted([*self.points, *before], key=itemgetter(0))

    @property
    def worked_ms(self) -> int:
        """How long starts worked, in all."""
        return sum(each.worked.ms for each in self.starts)

    @property
    def rows(self) -> int:
        """How many rows were written while that was noted."""
        return max(self.points[-1][1] - self.points[0][1], 0) if self.points else 0

    def rates(self, parts: int) -> list[tuple[Stretch, float]]:
        """Return rows a second by stretches of time, in about so many parts; none lies over a pause."""
        if not self.starts:
            return []
        shortest = max((self.starts[-1].worked.ended - self.starts[0].worked.began) / parts, 1)
        return [rate for start in self.starts for rate in self._rates_of(start, shortest)]

    def _rates_of(self, start: Start, shortest: float) -> list[tuple[Stretch, float]]:
        of_start = [each for each in self.points if start.worked.began <= each[0] <= start.worked.ended]
        found, before = [], of_start[0] if of_start else (0, 0)
        for at, rows in of_start[1:]:
            last = (at, rows) == of_start[-1]
            if at - before[0] >= shortest or (last and at > before[0]):
                rate = max(rows - before[1], 0) / (at - before[0]) * 1000
                found.append((Stretch(before[0], at), rate))
                before = at, rows
        return found


def pace(moments: Sequence[Moment], run: Run, *, at_work: bool, now_ms: int) -> Pace:
    """Return the pace of a run by its moments; `at_work`: somebody works on it at `now_ms`.

    What is later than a day from now tells nothing: clocks differ, but no clock that is right differs so much.
    """
    latest = now_ms + DAY
    ordered = _in_order([each for each in moments if each.at <= latest])
    # A runner that was killed gave its last sign of life at that time, or after what it noted last.
    sign = now_ms if at_work else min(run.last_progress_at, latest)
    end = max([sign, *(each.at for each in ordered[-1:])])
    over = now_ms if run.finished_at is None else min(run.finished_at, latest)
    points = tuple((each.at, each.rows) for each in ordered if each.rows is not None)
    now = run.counters.reembedded + run.counters.attested + run.counters.put_back
    return Pace(_starts(ordered, end, now, at_work=at_work), _outages(ordered, over), points)


def _in_order(moments: Sequence[Moment]) -> list[Moment]:
    """Return the moments that a clock which was put back meanwhile does not make run backwards."""
    found: list[Moment] = []
    for each in moments:
        if not found or each.at >= found[-1].at:
            found.append(each)
    return found


def _starts(moments: Sequence[Moment], end: int, now: int, *, at_work: bool) -> tuple[Start, ...]:
    begun = [place for place, each in enumerate(moments) if each.kind in (TAKEN, TAKEN_OVER)]
    if not begun:
        return ()
    limits = [*begun[1:], len(moments)]
    # What a start wrote last before it was killed is noted by the next one that took the run.
    after = [*(moments[place].rows for place in begun[1:]), now]
    return tuple(
        _start(moments[place:limit], end, rows, last=limit == len(moments), at_work=at_work)
        for place, limit, rows in zip(begun, limits, after, strict=True)
    )


def _start(moments: Sequence[Moment], end: int, after: int | None, *, last: bool, at_work: bool) -> Start:
    first, final = moments[0], next((each for each in moments if each.kind == ENDED), None)
    after = final.rows if final else after
    rows = None if first.rows is None or after is None else max(after - first.rows, 0)
    if final:
        return Start(Stretch(first.at, final.at), rows, final.exit_code, final.reason)
    return Start(Stretch(first.at, end if last else moments[-1].at), rows, at_work=last and at_work)


def _outages(moments: Sequence[Moment], over: int) -> tuple[Stretch, ...]:
    found, away = [], None
    for each in moments:
        if each.kind == OPENED and away is None:
            away = each.at
        elif each.kind == CLOSED and away is not None:
            found.append(Stretch(away, each.at))
            away = None
    if away is not None:
        found.append(Stretch(away, max(over, away)))
    return tuple(found)
