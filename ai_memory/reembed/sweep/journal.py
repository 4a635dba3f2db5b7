"""What a commit writes beside the vectors: of a run its fence, cursors, counters and quarantine; else nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ai_memory.memory.reason import UNWRITABLE
from ai_memory.reembed.writes import REEMBED
from ai_memory.stores.values import NOTHING_KEPT, InRow, Staged

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Document, Unfit
    from ai_memory.memory.reason import Reason
    from ai_memory.stores.computing import Computing
    from ai_memory.stores.port import Store, Transaction
    from ai_memory.stores.values import Counters, Place, Run, Steps
    from ai_memory.vectors.target import Fingerprint


class Journal(Protocol):
    """What is kept of the work in the file."""

    @property
    def origin(self) -> str:
        """The writer that a vector's provenance names."""

    @property
    def place(self) -> Place:
        """Where vectors are written, and for whom what they replace is kept."""

    def committed(self, store: Store, number: int | None) -> bool:
        """Connect anew, and return whether the commit of that number (see `hold`) is known to be in the database."""

    def hold(
        self,
        transaction: Transaction,
        *,
        now_ms: int,
        in_flight_limit: int | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> int:
        """Prove that the work is still ours, note the progress, and return the number of this commit.

        Raises:
            OperatorNeeded, NotFinished: it is not; nothing may be committed.
        """

    def advance(self, transaction: Transaction, steps: Steps, *, now_ms: int) -> None:
        """Move the cursors of all namespaces in `steps`."""

    def count(
        self,
        transaction: Transaction,
        counters: Counters,
        *,
        reads: int = 0,
        written_at: int | None = None,
        rows_per_hour: int | None = None,
    ) -> None:
        """Add to the counters; `reads` is how often the rows that are the target's now were read."""

    def note_computing(self, transaction: Transaction, computing: Computing, *, now_ms: int) -> None:
        """Note how a model on this machine computes."""

    def set_aside(
        self, transaction: Transaction, target: Fingerprint, row: Document | Unfit, reason: Reason, *, now_ms: int
    ) -> None:
        """Record that a row gets no vector, and why."""

    def forget(self, transaction: Transaction, target: Fingerprint, ids: Sequence[str], *, plainly: bool) -> int:
        """Take back vectors that were written; return of how many rows. `plainly`: only their provenance."""

    def put_back(
        self, transaction: Transaction, ids: Sequence[str], *, unwritable: Mapping[str, str] | None
    ) -> dict[str, bool]:
        """Give memories back what they had, but the `unwritable`; return of each that is there whether it got it."""


class Unrecorded:
    """Work without a run: in the file there is nothing of it but what it wrote; `aside` are rows without a vector.

    A commit whose answer was lost is made again, which changes nothing.
    """

    def __init__(self, origin: str, place: Place = NOTHING_KEPT) -> None:
        """Write vectors as `origin` to `place`."""
        self.origin, self.place = origin, place
        self.aside: dict[str, tuple[Document | Unfit, Reason]] = {}

    @property
    def unwritable(self) -> int:
        """How many rows the database itself lets nobody change."""
        return sum(reason.kind == UNWRITABLE for _, reason in self.aside.values())

    def committed(self, store: Store, number: int | None) -> bool:
        """Connect anew, and return False: no commit has a number."""
        del number
        return store.committed(None, None)

    def hold(
        self,
        transaction: Transaction,
        *,
        now_ms: int,
        in_flight_limit: int | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> int:
        """Return 0."""
        del transaction, now_ms, in_flight_limit, limits
        return 0

    def advance(self, transaction: Transaction, steps: Steps, *, now_ms: int) -> None:
        """Do nothing."""

    def count(
        self,
        transaction: Transaction,
        counters: Counters,
        *,
        reads: int = 0,
        written_at: int | None = None,
        rows_per_hour: int | None = None,
    ) -> None:
        """Do nothing."""

    def note_computing(self, transaction: Transaction, computing: Computing, *, now_ms: int) -> None:
        """Do nothing."""

    def set_aside(
        self, transaction: Transaction, target: Fingerprint, row: Document | Unfit, reason: Reason, *, now_ms: int
    ) -> None:
        """Keep it in mind."""
        del transaction, target, now_ms
        self.aside[row.id] = row, reason

    def forget(self, transaction: Transaction, target: Fingerprint, ids: Sequence[str], *, plainly: bool) -> int:
        """Make them rows without a vector again: nobody else would find them."""
        return transaction.vectors.take_away(ids, target, origin=self.origin, vectors=not plainly)

    def put_back(
        self, transaction: Transaction, ids: Sequence[str], *, unwritable: Mapping[str, str] | None
    ) -> dict[str, bool]:
        """Do nothing: nothing was kept."""
        del transaction, ids, unwritable
        return {}


class RunJournal:
    """The row of a run, and the quarantine of its target; `run` as it was last read."""

    origin = REEMBED

    def __init__(self, run: Run) -> None:
        """Write for a run that this process holds."""
        self.run = run

    @property
    def place(self) -> Place:
        """The rows of memories, or of a staged run beside them; what a run that keeps it replaces is kept."""
        if self.run.beside:
            return Staged()
        return InRow(self.run.run_id if self.run.keeps_previous else None)

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

    def advance(self, transaction: Transaction, steps: Steps, *, now_ms: int) -> None:
        """See `ProgressWriter.advance`."""
        transaction.progress.advance(self.run, steps, now_ms=now_ms)

    def count(
        self,
        transaction: Transaction,
        counters: Counters,
        *,
        reads: int = 0,
        written_at: int | None = None,
        rows_per_hour: int | None = None,
    ) -> None:
        """See `ProgressWriter.count`."""
        transaction.progress.count(self.run, counters, reads=reads, written_at=written_at, rows_per_hour=rows_per_hour)

    def note_computing(self, transaction: Transaction, computing: Computing, *, now_ms: int) -> None:
        """See `ProgressWriter.note_computing`."""
        transaction.progress.note_computing(self.run, computing, now_ms=now_ms)

    def set_aside(
        self, transaction: Transaction, target: Fingerprint, row: Document | Unfit, reason: Reason, *, now_ms: int
    ) -> None:
        """Put a row into quarantine."""
        transaction.quarantine.put(target.id, row.id, row.src, reason, now_ms=now_ms)

    def forget(self, transaction: Transaction, target: Fingerprint, ids: Sequence[str], *, plainly: bool) -> int:
        """Make rows stale again: they have what the run replaced, or keep what they have until it goes on."""
        transaction.progress.doubt(self.run, target, ids)
        return transaction.vectors.forget(ids, target, unstamp=not plainly, place=self.place)

    def put_back(
        self, transaction: Transaction, ids: Sequence[str], *, unwritable: Mapping[str, str] | None
    ) -> dict[str, bool]:
        """See `UndoWriter.put_back`, for a run that is a rollback."""
        undoes = self.run.undoes
        if undoes is None or not ids:
            return {}
        one_by_one, leave = unwritable is not None, unwritable or {}
        return transaction.undo.put_back(ids, undoes, self.run, leave=leave, one_by_one=one_by_one)
