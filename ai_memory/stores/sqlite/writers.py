"""What a transaction on a file is made of: this folder's functions behind the protocols of `stores.port_writing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.stores.sqlite import (
    approvals,
    beats,
    fingerprints,
    pauses,
    provenance,
    quarantine,
    rehearsal,
    run_figures,
    runs,
    settled,
    stretches,
)

if TYPE_CHECKING:
    from ai_memory.memory.reason import Reason
    from ai_memory.stores.holder import Holder
    from ai_memory.stores.sqlite.base import Transaction
    from ai_memory.stores.values import Breaker, Checkpoint, Counted, Counters, Identity, Pause, Run, Space, VectorWrite
    from ai_memory.vectors.target import Fingerprint


@dataclass(frozen=True, slots=True)
class VectorWriter:
    """See `stores.port_writing.VectorWriter`."""

    inner: Transaction

    def write(self, writes: Sequence[VectorWrite], target: Fingerprint, *, one_by_one: bool) -> list[bool]:
        """See the port."""
        write = rehearsal.write_one_by_one if one_by_one else provenance.write_vectors
        return write(self.inner, writes, target)

    def attest(self, write: VectorWrite, target: Fingerprint) -> bool:
        """See the port."""
        return provenance.attest(self.inner, write, target)

    def forget(self, ids: Sequence[str], target: Fingerprint, *, unstamp: bool) -> int:
        """See the port."""
        return provenance.forget(self.inner, ids, target, unstamp=unstamp)

    def take_away(self, ids: Sequence[str], target: Fingerprint, *, origin: str, vectors: bool) -> int:
        """See the port."""
        return provenance.take_away(self.inner, ids, target, origin=origin, vectors=vectors)


@dataclass(frozen=True, slots=True)
class TargetWriter:
    """See `stores.port_writing.TargetWriter`."""

    inner: Transaction

    def enter(self, identity: Identity, *, now_ms: int) -> Fingerprint:
        """See the port."""
        return fingerprints.ensure_fingerprint(self.inner, identity, now_ms=now_ms)

    def set_witness(self, target: int, witness: bytes) -> None:
        """See the port."""
        fingerprints.set_witness(self.inner, target, witness)

    def forget_witness(self, target: int) -> bool:
        """See the port."""
        return fingerprints.forget_witness(self.inner, target)


@dataclass(frozen=True, slots=True)
class RunWriter:
    """See `stores.port_writing.RunWriter`."""

    inner: Transaction

    def begin(
        self,
        *,
        target: Fingerprint,
        target_model: str,
        scope: tuple[str, ...] | None,
        skip_current: bool,
        now_ms: int,
        tool_version: str,
    ) -> Run:
        """See the port."""
        return runs.begin_run(
            self.inner,
            target=target.id,
            target_model=target_model,
            scope=scope,
            skip_current=skip_current,
            now_ms=now_ms,
            tool_version=tool_version,
        )

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
        return beats.beat(self.inner, run, failure=failure, now_ms=now_ms)

    def leave(self, run: Run, *, last_error: str | None, limits: Mapping[str, int], unsettled: int) -> bool:
        """See the port."""
        return runs.leave(self.inner, run, last_error=last_error, limits=limits, unsettled=unsettled)

    def cancel(self, *, now_ms: int) -> int | None:
        """See the port."""
        return runs.cancel(self.inner, now_ms=now_ms)

    def note_cancelled(self, run_id: int, *, now_ms: int) -> None:
        """See the port."""
        runs.add_event(self.inner, run_id, "cancelled", now_ms=now_ms)


@dataclass(frozen=True, slots=True)
class ProgressWriter:
    """See `stores.port_writing.ProgressWriter`."""

    inner: Transaction

    def advance(self, run: Run, steps: Mapping[str, Checkpoint], *, now_ms: int) -> None:
        """See the port."""
        runs.advance(self.inner, run, steps, now_ms=now_ms)

    def count(
        self, run: Run, counters: Counters, *, written_at: int | None = None, rows_per_hour: int | None = None
    ) -> None:
        """See the port."""
        runs.count(self.inner, run, counters, written_at=written_at, rows_per_hour=rows_per_hour)

    def set_breaker(self, run: Run, breaker: Breaker, *, now_ms: int, reason: str | None = None) -> None:
        """See the port."""
        runs.set_breaker(self.inner, run, breaker, now_ms=now_ms, reason=reason)

    def note_stored(self, run: Run, stored: Sequence[Space]) -> None:
        """See the port."""
        run_figures.note_stored(self.inner, run, stored)

    def note_census(self, run: Run, counted: Counted) -> None:
        """See the port."""
        run_figures.note_census(self.inner, run, counted)

    def note_end(self, run: Run, *, exit_code: int, reason: str, now_ms: int) -> None:
        """See the port."""
        run_figures.note_end(self.inner, run, exit_code=exit_code, reason=reason, now_ms=now_ms)

    def note_agreed(self, run: Run) -> None:
        """See the port."""
        stretches.begin_next(self.inner, run)

    def note_nothing_stale(self, target: int | None, space: str, dim: int, *, now_ms: int) -> None:
        """See the port."""
        settled.note_nothing_stale(self.inner, target, space, dim, now_ms=now_ms)


@dataclass(frozen=True, slots=True)
class QuarantineWriter:
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


@dataclass(frozen=True, slots=True)
class OperatorWriter:
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
