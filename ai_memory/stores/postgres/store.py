"""An open memory database with the methods of `stores.port`, which ask the functions of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ai_memory.frozen import Frozen
from ai_memory.stores.postgres import base, indexes, rehearsal, replication, runs, transactions
from ai_memory.stores.postgres.port_runs import (
    OperatorReader,
    OperatorWriter,
    ProgressWriter,
    QuarantineReader,
    QuarantineWriter,
    RunReader,
    RunWriter,
)
from ai_memory.stores.postgres.port_staged import StagingWriter
from ai_memory.stores.postgres.port_undo import UndoWriter
from ai_memory.stores.postgres.port_vectors import (
    MemoryReader,
    Snapshot,
    TargetReader,
    TargetWriter,
    VectorWriter,
)
from ai_memory.stores.postgres.tellings import TellingWriter

if TYPE_CHECKING:
    from ai_memory.stores import port
    from ai_memory.stores.values import Run

T = TypeVar("T")


class Store(base.Store):
    """An open database as the port's `Store`; one that was opened to be read writes nothing."""

    @property
    def memories(self) -> MemoryReader:
        """See the port."""
        return MemoryReader(self)

    @property
    def targets(self) -> TargetReader:
        """See the port."""
        return TargetReader(self)

    @property
    def runs(self) -> RunReader:
        """See the port."""
        return RunReader(self)

    @property
    def quarantine(self) -> QuarantineReader:
        """See the port."""
        return QuarantineReader(self)

    @property
    def operator(self) -> OperatorReader:
        """See the port."""
        return OperatorReader(self)

    @property
    def structure(self) -> Structure:
        """See the port."""
        return Structure(self)

    def consistently(self, read: Callable[[port.Snapshot], T]) -> T:
        """See the port."""
        with transactions.snapshot(self.db):
            return read(Snapshot(self))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See the port."""
        with transactions.transaction(self.db):
            yield self.in_transaction()

    def committed(self, run: Run | None, number: int | None) -> bool:
        """See the port."""
        self.db.reopen()
        return run is not None and number is not None and runs.commits(self, run) == number

    def in_transaction(self) -> Transaction:
        """Return it as one whose write transaction is open."""
        return Transaction(self.db, self.schema, self.created)


class Transaction(base.Transaction):
    """An open database whose write transaction is open, as the port's `Transaction`."""

    @property
    def reader(self) -> Store:
        """See the port."""
        return Store(self.db, self.schema, self.created)

    @property
    def vectors(self) -> VectorWriter:
        """See the port."""
        return VectorWriter(self)

    @property
    def targets(self) -> TargetWriter:
        """See the port."""
        return TargetWriter(self)

    @property
    def runs(self) -> RunWriter:
        """See the port."""
        return RunWriter(self)

    @property
    def progress(self) -> ProgressWriter:
        """See the port."""
        return ProgressWriter(self)

    @property
    def quarantine(self) -> QuarantineWriter:
        """See the port."""
        return QuarantineWriter(self)

    @property
    def operator(self) -> OperatorWriter:
        """See the port."""
        return OperatorWriter(self)

    @property
    def undo(self) -> UndoWriter:
        """See the port."""
        return UndoWriter(self)

    @property
    def staging(self) -> StagingWriter:
        """See the port."""
        return StagingWriter(self)

    @property
    def tellings(self) -> TellingWriter:
        """See the port."""
        return TellingWriter(self)


class Structure(Frozen):
    """See `stores.port.Structure`."""

    store: Store

    def rehearse(self, attempts: Mapping[str, Callable[[Transaction], object]]) -> dict[str, str]:
        """See the port."""
        return rehearsal.rehearse(self._rehearsal, attempts)

    @contextmanager
    def _rehearsal(self) -> Iterator[Transaction]:
        with transactions.rehearsal(self.store.db):
            yield replace(self.store.in_transaction(), rehearsing=True)

    def index(self, run: Run) -> None:
        """See the port."""
        indexes.make_beside(self.store, run)

    def replicated(self) -> tuple[int, int] | None:
        """See the port."""
        return replication.replicated(self.store.db)
