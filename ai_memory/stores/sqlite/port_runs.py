"""The parts of the port about runs, the quarantine and what operators decide, by the functions of this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.sqlite import (
    approvals,
    checkpoints,
    course,
    hot_list,
    in_flight,
    pauses,
    quarantine,
    run_figures,
    runs,
    settled,
)
from ai_memory.stores.sqlite.lost_run import run_lost

if TYPE_CHECKING:
    from ai_memory.errors import AiMemoryError
    from ai_memory.memory.reason import Kind, Reason
    from ai_memory.stores.computing import Computing
    from ai_memory.stores.course import Moment
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.values import (
        Breaker,
        Checkpoint,
        Counted,
        Counters,
        Measured,
        Pause,
        Quarantined,
        Run,
        Space,
        Steps,
        Terms,
    )
    from ai_memory.vectors.target import Fingerprint


class CourseReader(Frozen):
    """See `stores.port_reading.CourseReader`."""

    store: Store
    run: Run

    def replaced(self) -> tuple[Space, ...]:
        """See the port."""
        return course.replaced(self.store, self.run)

    def moments(self) -> tuple[Moment, ...]:
        """See the port."""
        return course.moments(self.store, self.run)


class RunReader(Frozen):
    """See `stores.port_reading.RunReader`."""

    store: Store

    def unfinished(self) -> Run | None:
        """See the port."""
        return runs.unfinished_run(self.store)

    def unfinished_id(self) -> int | None:
        """See the port."""
        return runs.unfinished_id(self.store)

    def recent(self, most: int | None = None) -> list[Run]:
        """See the port."""
        return runs.recent_runs(self.store, most)

    def read(self, run_id: int) -> Run:
        """See the port."""
        return runs.read_run(self.store, run_id)

    def checkpoints(self, run: Run) -> dict[str, Checkpoint]:
        """See the port."""
        return checkpoints.read(self.store, run)

    def course(self, run: Run) -> CourseReader:
        """See the port."""
        return CourseReader(self.store, run)

    def last_rate(self, target: int | None) -> Measured | None:
        """See the port."""
        return run_figures.last_rate(self.store, target)

    def nothing_stale(self, run_id: int) -> tuple[str, int] | None:
        """See the port."""
        return settled.nothing_stale(self.store, run_id)

    def untouched_target(self) -> int | None:
        """See the port."""
        return settled.untouched_target(self.store)

    def lost(self, run: Run) -> AiMemoryError:
        """See the port."""
        return run_lost(self.store, run)


class RunWriter(Frozen):
    """See `stores.port_writing.RunWriter`."""

    inner: Transaction

    def begin(
        self,
        *,
        target: Fingerprint,
        target_model: str,
        terms: Terms,
        now_ms: int,
        tool_version: str,
    ) -> Run:
        """See the port."""
        run = runs.begin_run(
            self.inner,
            target=target.id,
            target_model=target_model,
            terms=terms,
            now_ms=now_ms,
            tool_version=tool_version,
        )
        # A rollback sends nothing: what is in flight is still to be told by whoever sends it again.
        return run if terms.undoes else in_flight.take_on(self.inner, run)

    def take_over(
        self, run: Run, holder: Holder, *, in_flight_limit: int, lost: int, breaker_until: int | None, now_ms: int
    ) -> Run:
        """See the port."""
        return runs.take_over(
            self.inner,
            run,
            holder,
            in_flight_limit=in_flight_limit,
            lost=lost,
            breaker_until=breaker_until,
            now_ms=now_ms,
        )

    def hold(
        self, run: Run, *, now_ms: int, in_flight_limit: int | None = None, limits: Mapping[str, int] | None = None
    ) -> int:
        """See the port."""
        return runs.hold(self.inner, run, now_ms=now_ms, in_flight_limit=in_flight_limit, limits=limits)

    def transition(self, run: Run, new: str, *, now_ms: int, fenced: bool, census_at: int | None = None) -> None:
        """See the port."""
        runs.transition(self.inner, run, new, now_ms=now_ms, fenced=fenced, census_at=census_at)

    def next_pass(self, run: Run, *, now_ms: int) -> Run:
        """See the port."""
        return runs.next_pass(self.inner, run, now_ms=now_ms)

    def aim_at(self, run: Run, target: Fingerprint) -> None:
        """See the port."""
        runs.set_target(self.inner, run, target.id)

    def beat(self, run: Run, *, failure: str, now_ms: int) -> bool:
        """See the port."""
        return run_figures.beat(self.inner, run, failure=failure, now_ms=now_ms)

    def leave(self, run: Run, *, last_error: str | None, limits: Mapping[str, int], unsettled: int | None) -> bool:
        """See the port."""
        return runs.leave(self.inner, run, last_error=last_error, limits=limits, unsettled=unsettled)

    def cancel(self, *, now_ms: int) -> int | None:
        """See the port."""
        return runs.cancel(self.inner, now_ms=now_ms)

    def note_cancelled(self, run_id: int, *, now_ms: int) -> None:
        """See the port."""
        runs.add_event(self.inner, run_id, "cancelled", now_ms=now_ms)


class ProgressWriter(Frozen):
    """See `stores.port_writing.ProgressWriter`."""

    inner: Transaction

    def freeze(self, run: Run, ids: Sequence[str], *, now_ms: int) -> None:
        """See the port."""
        hot_list.freeze(self.inner, run, ids, now_ms=now_ms)

    def advance(self, run: Run, steps: Steps, *, now_ms: int) -> None:
        """See the port."""
        checkpoints.advance(self.inner, run, steps, now_ms=now_ms)

    def count(
        self,
        run: Run,
        counters: Counters,
        *,
        reads: int = 0,
        written_at: int | None = None,
        rows_per_hour: int | None = None,
    ) -> None:
        """See the port."""
        runs.count(self.inner, run, counters, reads=reads, written_at=written_at, rows_per_hour=rows_per_hour)

    def doubt(self, run: Run, target: Fingerprint, ids: Sequence[str]) -> None:
        """See the port."""
        hot_list.doubt(self.inner, run, target, ids)

    def set_breaker(self, run: Run, breaker: Breaker, *, now_ms: int, reason: str | None = None) -> None:
        """See the port."""
        runs.set_breaker(self.inner, run, breaker, now_ms=now_ms, reason=reason)

    def note_stored(self, run: Run, stored: Sequence[Space]) -> None:
        """See the port."""
        course.note_stored(self.inner, run, list(stored))

    def note_census(self, run: Run, counted: Counted) -> None:
        """See the port."""
        run_figures.note_census(self.inner, run, counted)

    def note_end(self, run: Run, *, exit_code: int, reason: str, now_ms: int) -> None:
        """See the port."""
        run_figures.note_end(self.inner, run, exit_code=exit_code, reason=reason, now_ms=now_ms)

    def note_computing(self, run: Run, computing: Computing, *, now_ms: int) -> None:
        """See the port."""
        run_figures.note_computing(self.inner, run, computing, now_ms=now_ms)

    def note_nothing_stale(self, target: int | None, space: str, dim: int, *, now_ms: int) -> None:
        """See the port."""
        settled.note_nothing_stale(self.inner, target, space, dim, now_ms=now_ms)


class QuarantineReader(Frozen):
    """See `stores.port_reading.QuarantineReader`."""

    store: Store

    def entries(self, target: int) -> list[Quarantined]:
        """See the port."""
        return quarantine.entries(self.store, target)

    def by_kind(self, target: int) -> dict[Kind, int]:
        """See the port."""
        return quarantine.by_kind(self.store, target)

    def reason_of(self, target: int, src: bytes) -> Reason | None:
        """See the port."""
        return quarantine.reason_of(self.store, target, src)

    def refused_since(self, target: int, since_ms: int) -> int:
        """See the port."""
        return quarantine.refused_since(self.store, target, since_ms)


class QuarantineWriter(Frozen):
    """See `stores.port_writing.QuarantineWriter`."""

    inner: Transaction

    def put(self, target: int, row_id: str, src: bytes, reason: Reason, *, now_ms: int) -> None:
        """See the port."""
        quarantine.put(self.inner, target, row_id, src, reason, now_ms=now_ms)

    def lift(self, target: int, row_ids: Sequence[str]) -> None:
        """See the port."""
        quarantine.lift(self.inner, target, row_ids)

    def lift_all(self, target: int) -> None:
        """See the port."""
        quarantine.lift_all(self.inner, target)


class OperatorReader(Frozen):
    """See `stores.port_reading.OperatorReader`."""

    store: Store

    def is_approved(self, space: str, dim: int) -> bool:
        """See the port."""
        return approvals.is_approved(self.store, space, dim)

    def approved_at(self, space: str, dim: int) -> int | None:
        """See the port."""
        return approvals.approved_at(self.store, space, dim)

    def approved_width(self, space: str) -> int:
        """See the port."""
        return approvals.approved_width(self.store, space)

    def pause(self, *, now_ms: int) -> Pause | None:
        """See the port."""
        return pauses.standing(self.store, now_ms=now_ms)


class OperatorWriter(Frozen):
    """See `stores.port_writing.OperatorWriter`."""

    inner: Transaction

    def approve(self, space: str, dim: int, *, by: str, how: str, now_ms: int) -> None:
        """See the port."""
        approvals.approve(self.inner, space, dim, by=by, how=how, now_ms=now_ms)

    def completed(self, run: Run, target: Fingerprint, *, now_ms: int) -> None:
        """See the port."""
        approvals.completed(self.inner, run, target, now_ms=now_ms)

    def withdraw(self, run_id: int) -> None:
        """See the port."""
        approvals.withdraw(self.inner, run_id)

    def pause(self, pause: Pause) -> None:
        """See the port."""
        pauses.put(self.inner, pause)

    def unpause(self) -> bool:
        """See the port."""
        return pauses.take_off(self.inner)
