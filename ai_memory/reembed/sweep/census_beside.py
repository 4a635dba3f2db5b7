"""Takes the first census of an invocation in when it is over: beside the first pages, or before them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ai_memory.errors import AiMemoryError, Stopped
from ai_memory.reembed.doubt import MOST, most_asked
from ai_memory.reembed.events import RowsCounted, RunTakenOver

if TYPE_CHECKING:
    from ai_memory.reembed.heartbeat import Signs
    from ai_memory.reembed.plan.census import Census
    from ai_memory.reembed.plan.plan import Plan
    from ai_memory.reembed.plan.taking import TakenRun
    from ai_memory.reembed.sweep.committer import Committer
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.stores.port import Store

ROWS_BESIDE = 2_000
"""Rows that are written before the census is waited for.

What is read in one state keeps the log from being begun anew: with vectors of 384 numbers it reaches 34 MB so, 17 MB
without (200,000 rows, 2026-11-27)."""

RequireRoom = Callable[["Census"], None]
"""Checks that the disk has room for what a census says is left; it raises where it has not."""


class CensusBeside:
    """The signs of a sweep, which after each commit look whether the census is over.

    It is of the state before the run was taken: all that this invocation has written since is not in it.
    """

    def __init__(
        self,
        signs: Signs,
        store: Store,
        planned: Plan,
        taken: TakenRun,
        committer: Committer,
        tools: SweepTools,
        require_room: RequireRoom,
    ) -> None:
        """Wait by `signs`; `require_room` is asked when the census is over, where pages were begun beside it."""
        self._signs, self._store, self._planned, self._run = signs, store, planned, taken
        self._committer, self._tools, self._require_room = committer, tools, require_room
        self._under_way = planned.beside

    @property
    def rows(self) -> int | None:
        """How many of the rows that the invocation found are left to do, None where they are still counted."""
        return None if self._under_way else max(self._planned.census.stale + self._run.lifted - self._done, 0)

    def await_answer(self, answer: Future[Any]) -> None:
        """Return when `answer` is there."""
        self._signs.await_answer(answer)

    def sleep(self, seconds: float) -> bool:
        """Wait so long and return False, or True as soon as the work is to stop."""
        return self._signs.sleep(seconds)

    def committed(self) -> None:
        """Record that a page was committed."""
        self._signs.committed()
        if self._under_way and (self._planned.found.done() or self._done >= ROWS_BESIDE):
            # After a stop what is in flight is written without it: that is paid for.
            with suppress(Stopped):
                self.taken()

    def taken(self) -> Census:
        """Return the census, awaited if need be.

        Raises:
            OperatorNeeded, NotFinished: the run is no longer ours.
            StorageFailed: the disk has no room for what is left.
            AiMemoryError: the rows could not be counted, or a stop was asked for meanwhile.
        """
        if self._under_way:
            self._signs.await_answer(self._planned.found)
            self._take_in(self._planned.census)
        return self._planned.census

    def at_end(self) -> TakenRun:
        """Wait for the census once nothing more is written, but not after a stop; return the run with what it tells."""
        with suppress(AiMemoryError):
            if self._planned.counted or not self._tools.stop.requested():
                self.taken()
        with suppress(AiMemoryError):
            if self._under_way:
                # No census tells of those at hand: as many as there can be.
                self._tell_twice(MOST if self._store.targets.previous.kept() else 0)
        return self._run

    @property
    def _done(self) -> int:
        counters = self._committer.counters
        return counters.reembedded + counters.attested + counters.quarantined

    def _take_in(self, census: Census) -> None:
        run, aside = self._run.run, self._committer.counters.quarantined
        found = census.counted()
        left, reads_left = max(found.remaining - self._done, 0), max(found.reads_left - self._committer.reads, 0)
        now = replace(found, remaining=left, in_quarantine=found.in_quarantine + aside, reads_left=reads_left)
        with self._store.transaction() as transaction:
            transaction.runs.hold(run, now_ms=self._tools.clock.now_ms())
            transaction.progress.note_census(run, now)
        self._under_way = False
        self._tell_twice(self._planned.at_hand.unproven)
        self._tools.observe(RowsCounted(self._planned.target.model, left))
        each = census.bytes_to_keep / max(census.to_embed, 1)
        rows = max(census.to_embed - self._done, 0)
        self._require_room(replace(census, to_embed=rows, bytes_to_keep=round(rows * each)))

    def _tell_twice(self, at_hand: int) -> None:
        """Tell how many texts are sent twice at most; of the rows `at_hand` so many have unproven vectors."""
        if self._run.untold and (twice := self._run.texts_sent_twice + most_asked(at_hand)):
            self._run = replace(self._run, texts_sent_twice=twice)
            self._tools.observe(RunTakenOver(twice))
