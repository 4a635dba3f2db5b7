"""What a commit of a run writes beside the vectors: its fence, cursors and counters, and the quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.reembed.sweep.journal import REEMBED

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Document, Unfit
    from ai_memory.memory.reason import Reason
    from ai_memory.stores.port import Store, Transaction
    from ai_memory.stores.values import Checkpoint, Counters, Run
    from ai_memory.vectors.target import Fingerprint


class RunJournal:
    """The row of a run, and the quarantine of its target; `run` as it was last read."""

    origin = REEMBED

    def __init__(self, run: Run) -> None:
        """Write for a run that this process holds."""
        self.run = run

    def committed(self, store: Store, number: int | None) -> bool:
        """See `Store.committed`."""
        return store.committed(self.run, number)

    def hold(
        self,
        transaction: Transaction,
        *,
        now_ms: int,
        in_flight_limit: int | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> int:
        """See `RunWriter.hold`."""
        return transaction.runs.hold(self.run, now_ms=now_ms, in_flight_limit=in_flight_limit, limits=limits)

    def advance(self, transaction: Transaction, steps: Mapping[str, Checkpoint], *, now_ms: int) -> None:
        """See `ProgressWriter.advance`."""
        transaction.progress.advance(self.run, steps, now_ms=now_ms)

    def count(
        self,
        transaction: Transaction,
        counters: Counters,
        *,
        written_at: int | None = None,
        rows_per_hour: int | None = None,
    ) -> None:
        """See `ProgressWriter.count`."""
        transaction.progress.count(self.run, counters, written_at=written_at, rows_per_hour=rows_per_hour)

    def set_aside(
        self, transaction: Transaction, target: Fingerprint, row: Document | Unfit, reason: Reason, *, now_ms: int
    ) -> None:
        """Put a row into quarantine."""
        transaction.quarantine.put(target.id, row.id, row.src, reason, now_ms=now_ms)

    def forget(self, transaction: Transaction, target: Fingerprint, ids: Sequence[str], *, plainly: bool) -> int:
        """Make rows stale again, which keep what they have until the run goes on."""
        return transaction.vectors.forget(ids, target, unstamp=not plainly)
