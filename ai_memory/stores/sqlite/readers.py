"""What a reader of a file is made of: this folder's functions behind the protocols of `stores.port_reading`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.stores.sqlite import (
    approvals,
    fingerprints,
    pauses,
    provenance,
    quarantine,
    refusals,
    rehearsal,
    run_figures,
    runs,
    settled,
    walk,
)
from ai_memory.stores.sqlite import namespaces as seen
from ai_memory.stores.sqlite.lost_run import run_lost

if TYPE_CHECKING:
    from ai_memory.errors import AiMemoryError
    from ai_memory.memory.reason import Reason
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.values import Checkpoint, Identity, Measured, Pause, Quarantined, Run, Space
    from ai_memory.vectors.target import Fingerprint


@dataclass(frozen=True, slots=True)
class Snapshot:
    """See `stores.port.Snapshot`; for a block in which the file is read consistently."""

    store: Store

    def rows(self, *, target: int | None, only: Sequence[str] | None) -> Iterator[MemoryRow]:
        """See the port."""
        return walk.all_rows(self.store, target=target, only=only)

    def unaddressable(self) -> list[tuple[str, int]]:
        """See the port."""
        return walk.unaddressable(self.store)

    def stored_spaces(self) -> list[Space]:
        """See the port."""
        return walk.stored_spaces(self.store)

    def known(self, identity: Identity) -> Fingerprint | None:
        """See the port."""
        return fingerprints.known_fingerprint(self.store, identity)


@dataclass(frozen=True, slots=True)
class MemoryReader:
    """See `stores.port_reading.MemoryReader`."""

    store: Store

    @property
    def traits(self) -> Traits:
        """See the port."""
        return self.store.schema.traits

    @property
    def look_at_schema(self) -> str:
        """See the port."""
        return refusals.look_at_schema(self.store.db.path)

    def require_seen(self, *namespaces: str) -> None:
        """See the port."""
        seen.require_seen(self.store, *namespaces)

    def refused_updates(self) -> str | None:
        """See the port."""
        if why := rehearsal.refused_updates(self.store):
            return why
        rehearsal.require_word_index(self.store)
        return None

    def namespaces(self) -> list[str]:
        """See the port."""
        return walk.namespaces(self.store)

    def ids_after(self, namespace: str, after: str | None, *, limit: int) -> list[str]:
        """See the port."""
        return walk.ids_after(self.store, namespace, after, limit=limit)

    def rows_by_id(self, ids: Sequence[str], *, target: int | None) -> list[MemoryRow]:
        """See the port."""
        return walk.rows_by_id(self.store, ids, target=target)

    def vectors_of(self, srcs: Collection[bytes], target: Fingerprint) -> dict[bytes, bytes]:
        """See the port."""
        return provenance.vectors_of(self.store, srcs, target)

    def stored_vector(self, memory_id: str, title: str, content: str) -> bytes | None:
        """See the port."""
        return provenance.stored_blob(self.store, memory_id, title, content)

    def stored_spaces(self) -> list[Space]:
        """See the port."""
        return walk.stored_spaces(self.store)


@dataclass(frozen=True, slots=True)
class TargetReader:
    """See `stores.port_reading.TargetReader`."""

    store: Store

    def known(self, identity: Identity) -> Fingerprint | None:
        """See the port."""
        return fingerprints.known_fingerprint(self.store, identity)

    def read(self, target: int) -> Fingerprint:
        """See the port."""
        return fingerprints.read_fingerprint(self.store, target)

    def widths(self) -> list[tuple[bytes, int]]:
        """See the port."""
        return fingerprints.known_widths(self.store)

    def of_space(self, space: str, dim: int) -> list[int]:
        """See the port."""
        return fingerprints.of_space(self.store, space, dim)


@dataclass(frozen=True, slots=True)
class RunReader:
    """See `stores.port_reading.RunReader`."""

    store: Store

    def unfinished(self) -> Run | None:
        """See the port."""
        return runs.unfinished_run(self.store)

    def unfinished_id(self) -> int | None:
        """See the port."""
        return runs.unfinished_id(self.store)

    def latest(self) -> Run | None:
        """See the port."""
        return runs.latest_run(self.store)

    def read(self, run_id: int) -> Run:
        """See the port."""
        return runs.read_run(self.store, run_id)

    def checkpoints(self, run: Run) -> dict[str, Checkpoint]:
        """See the port."""
        return runs.checkpoints(self.store, run)

    def replaced(self, run: Run) -> tuple[Space, ...]:
        """See the port."""
        return run_figures.replaced(self.store, run)

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


@dataclass(frozen=True, slots=True)
class QuarantineReader:
    """See `stores.port_reading.QuarantineReader`."""

    store: Store

    def entries(self, target: int) -> list[Quarantined]:
        """See the port."""
        return quarantine.entries(self.store, target)

    def reason_of(self, target: int, src: bytes) -> Reason | None:
        """See the port."""
        return quarantine.reason_of(self.store, target, src)

    def refused_since(self, target: int, since_ms: int) -> int:
        """See the port."""
        return quarantine.refused_since(self.store, target, since_ms)


@dataclass(frozen=True, slots=True)
class OperatorReader:
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
