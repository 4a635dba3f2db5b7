"""The parts of the port about what stands beside the memories, and which vectors are served, by this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.postgres import beside, exchange, obstacles, room, staged, widths
from ai_memory.stores.served import Active, Exchange, ExchangeRoom

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint


class StagedReader(Frozen):
    """See `stores.port_reading.StagedReader`."""

    store: Store

    def target(self) -> int | None:
        """See the port."""
        return staged.target(self.store)

    def ids_after(self, after: str | None, *, limit: int) -> list[str]:
        """See the port."""
        return staged.ids_after(self.store, after, limit=limit)

    def count(self) -> int:
        """See the port."""
        return staged.count(self.store)

    def active(self) -> Active | None:
        """See the port."""
        found = staged.active(self.store)
        return Active(*found) if found else None

    def exchange(self) -> Exchange | None:
        """See the port."""
        return beside.state(self.store)

    def fixed_width(self) -> int | None:
        """See the port."""
        return obstacles.width(self.store)

    def exchange_room(self, dim: int, rows: int) -> ExchangeRoom | None:
        """See the port."""
        return room.of_exchange(self.store, dim, rows) if obstacles.is_another_width(self.store, dim) else None

    def require_fit(self, dim: int, *, staged: bool) -> None:
        """See the port."""
        widths.require_fit(self.store, dim, staged=staged)

    def require_place(self, target: Fingerprint) -> None:
        """See the port."""
        widths.require_place(self.store, target)


class StagingWriter(Frozen):
    """See `stores.port_writing.StagingWriter`."""

    inner: Transaction

    def serve(self, run: Run) -> None:
        """See the port."""
        staged.activate(self.inner, run, before=False)

    def serve_before(self, run: Run) -> None:
        """See the port."""
        staged.activate(self.inner, run, before=True)

    def serve_own(self) -> None:
        """See the port."""
        staged.deactivate(self.inner)

    def drop(self, *, limit: int) -> int:
        """See the port."""
        return staged.drop(self.inner, limit=limit)

    def lay(self, run: Run, target: Fingerprint) -> None:
        """See the port."""
        exchange.lay(self.inner, run, target)

    def exchange(self, run: Run) -> None:
        """See the port."""
        exchange.exchange(self.inner, run)

    def exchange_back(self, run: Run) -> None:
        """See the port."""
        exchange.exchange_back(self.inner, run)
