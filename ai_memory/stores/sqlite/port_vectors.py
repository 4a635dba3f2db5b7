"""The parts of the port about memories, their vectors and the targets of these, by the functions of this folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.stores.sqlite import fingerprints, hot_list, provenance, refusals, rehearsal, walk
from ai_memory.stores.sqlite.namespaces import require_seen

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.stores.sqlite.base import Store, Transaction
    from ai_memory.stores.values import Identity, Run, Space, VectorWrite
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

    def hottest(self, *, target: int, only: Sequence[str] | None, limit: int, now_ms: int) -> list[str]:
        """See the port."""
        return hot_list.hottest(self.store, target=target, only=only, limit=limit, now_ms=now_ms)

    def listed(self, run: Run) -> list[str] | None:
        """See the port."""
        return hot_list.listed(self.store, run)


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
        require_seen(self.store, *namespaces)

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

    def unproven(self, target: Fingerprint) -> list[str]:
        """See the port."""
        return provenance.unproven(self.store, target)

    def widths(self) -> list[tuple[bytes, int]]:
        """See the port."""
        return fingerprints.known_widths(self.store)

    def of_space(self, space: str, dim: int) -> list[int]:
        """See the port."""
        return fingerprints.of_space(self.store, space, dim)


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

    def disown(self, writes: Sequence[VectorWrite], target: Fingerprint, *, unstamp: bool) -> int:
        """See the port."""
        return provenance.disown(self.inner, writes, target, unstamp=unstamp)

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

    def begin_stretch(self, target: int) -> None:
        """See the port."""
        fingerprints.begin_stretch(self.inner, target)

    def forget_witness(self, target: int) -> bool:
        """See the port."""
        return fingerprints.forget_witness(self.inner, target)
