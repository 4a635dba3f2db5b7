"""The parts of the port about memories, their vectors, what was kept of these, and their targets, by this folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.postgres import (
    fingerprints,
    hot_list,
    in_flight,
    previous,
    provenance,
    put_back,
    records,
    refusals,
    rehearsal,
    room,
    staged,
    walk,
)
from ai_memory.stores.postgres.namespaces import require_seen
from ai_memory.stores.postgres.port_staged import StagedReader
from ai_memory.stores.postgres.stored import stored_blob
from ai_memory.stores.postgres.which_rows import judged
from ai_memory.stores.values import NOTHING_KEPT, Staged

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.stores.port_reading import Stored
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import (
        Identity,
        KeptTarget,
        KeptVector,
        Place,
        Room,
        Run,
        Space,
        Span,
        VectorWrite,
    )
    from ai_memory.vectors.target import Fingerprint


class Snapshot(Frozen):
    """See `stores.port.Snapshot`; for a block in which one state is read."""

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

    def hottest(self, *, target: int, only: Sequence[str] | None, limit: int, now_ms: int) -> list[str]:
        """See the port."""
        return hot_list.hottest(self.store, target=target, only=only, limit=limit, now_ms=now_ms)

    def listed(self, run: Run) -> list[str] | None:
        """See the port."""
        return hot_list.listed(self.store, run)


class MemoryReader(Frozen):
    """See `stores.port_reading.MemoryReader`."""

    store: Store

    @property
    def traits(self) -> Traits:
        """See the port."""
        return self.store.schema.traits

    @property
    def look_at_schema(self) -> str:
        """See the port."""
        return refusals.look_at_schema(self.store.name)

    def require_seen(self, *namespaces: str) -> None:
        """See the port."""
        require_seen(self.store, *namespaces)

    def refused_updates(self) -> str | None:
        """See the port."""
        return rehearsal.refused_updates(self.store)

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
        return records.vectors_of(self.store, srcs, target)

    def stored_vector(self, of: Stored, *, target: int | None) -> bytes | None:
        """See the port."""
        rows = judged(self.store, target)
        return stored_blob(self.store, of, rows=rows)

    def stored_spaces(self) -> list[Space]:
        """See the port."""
        return walk.stored_spaces(self.store)


class UndoReader(Frozen):
    """See `stores.port_reading.UndoReader`."""

    store: Store

    def ids_after(self, undoes: Span, after: str | None, *, limit: int) -> list[str]:
        """See the port."""
        return previous.ids_after(self.store, undoes, after, limit=limit)

    def vectors_of(self, srcs: Collection[bytes], target: Fingerprint) -> dict[bytes, KeptVector]:
        """See the port."""
        return previous.vectors_of(self.store, srcs, target)

    def has_any_of(self, target: Fingerprint) -> bool:
        """See the port."""
        return previous.has_any_of(self.store, target)

    def kept(self) -> list[tuple[int, Room]]:
        """See the port."""
        return previous.kept(self.store)

    def to_undo(self) -> Span | None:
        """See the port."""
        return previous.to_undo(self.store)

    def lost(self, undoes: Span) -> list[int]:
        """See the port."""
        return previous.lost(self.store, undoes)

    def replaced_by(self, run_id: int, ids: Sequence[str]) -> dict[str, tuple[bytes, bytes]]:
        """See the port."""
        return previous.replaced_by(self.store, run_id, ids)

    def free(self) -> int:
        """See the port."""
        return room.free(self.store)

    def log_room(self, rows: int, *, at_once: int, row_bytes: int) -> int:
        """See the port."""
        return room.log_room(self.store, rows, at_once=at_once, row_bytes=row_bytes)

    def left_of(self, undoes: Span) -> int:
        """See the port."""
        return previous.left_of(self.store, undoes)


class TargetReader(Frozen):
    """See `stores.port_reading.TargetReader`."""

    store: Store

    @property
    def previous(self) -> UndoReader:
        """See the port."""
        return UndoReader(self.store)

    @property
    def staged(self) -> StagedReader:
        """See the port."""
        return StagedReader(self.store)

    def known(self, identity: Identity) -> Fingerprint | None:
        """See the port."""
        return fingerprints.known_fingerprint(self.store, identity)

    def read(self, target: int) -> Fingerprint:
        """See the port."""
        return fingerprints.read_fingerprint(self.store, target)

    def unproven(self, target: Fingerprint) -> list[str]:
        """See the port."""
        return records.unproven(self.store, target) + staged.unproven(self.store, target)

    def left_in_flight(self, target: int, scope: tuple[str, ...] | None) -> int:
        """See the port."""
        return in_flight.left_in_flight(self.store, target, scope)

    def widths(self) -> list[tuple[bytes, int]]:
        """See the port."""
        return fingerprints.known_widths(self.store)

    def of_space(self, space: str, dim: int) -> list[int]:
        """See the port."""
        return fingerprints.of_space(self.store, space, dim)

    def kept(self) -> list[KeptTarget]:
        """See the port."""
        return fingerprints.kept_targets(self.store)

    def kept_as(self, space: str, dim: int) -> KeptTarget | None:
        """See the port."""
        return fingerprints.kept_as(self.store, space, dim)


class VectorWriter(Frozen):
    """See `stores.port_writing.VectorWriter`."""

    inner: Transaction

    def write(
        self, writes: Sequence[VectorWrite], target: Fingerprint, *, one_by_one: bool, place: Place = NOTHING_KEPT
    ) -> list[bool]:
        """See the port."""
        if isinstance(place, Staged):
            return staged.write(self.inner, writes, target)
        write = provenance.write_one_by_one if one_by_one else provenance.write_vectors
        return write(self.inner, writes, target, keep_for=place.keep_for)

    def attest(self, write: VectorWrite, target: Fingerprint, *, place: Place = NOTHING_KEPT) -> bool:
        """See the port."""
        return provenance.attest(self.inner, write, target, place)

    def forget(self, ids: Sequence[str], target: Fingerprint, *, unstamp: bool, place: Place = NOTHING_KEPT) -> int:
        """See the port."""
        if isinstance(place, Staged):
            return staged.forget(self.inner, ids, target)
        returned = put_back.give_back(self.inner, ids, target, place.keep_for) if unstamp else set()
        rest = [each for each in ids if each not in returned]
        return len(returned) + records.forget(self.inner, rest, target, unstamp=unstamp)

    def disown(self, writes: Sequence[VectorWrite], target: Fingerprint, *, unstamp: bool) -> int:
        """See the port."""
        dropped = staged.disown(self.inner, writes, target)
        return dropped + records.disown(self.inner, writes, target, unstamp=unstamp)

    def take_away(self, ids: Sequence[str], target: Fingerprint, *, origin: str, vectors: bool) -> int:
        """See the port."""
        dropped = staged.take_away(self.inner, ids, target, origin=origin)
        return dropped + records.take_away(self.inner, ids, target, origin=origin, vectors=vectors)


class TargetWriter(Frozen):
    """See `stores.port_writing.TargetWriter`."""

    inner: Transaction

    def enter(self, identity: Identity, *, now_ms: int) -> Fingerprint:
        """See the port."""
        return fingerprints.ensure_fingerprint(self.inner, identity, now_ms=now_ms)

    def set_witness(self, target: int, witness: bytes) -> None:
        """See the port."""
        fingerprints.set_witness(self.inner, target, witness)

    def begin_stretch(self, target: int) -> None:
        """See the port."""
        fingerprints.begin_stretch(self.inner, target)

    def forget_witness(self, target: int) -> bool:
        """See the port."""
        return fingerprints.forget_witness(self.inner, target)
