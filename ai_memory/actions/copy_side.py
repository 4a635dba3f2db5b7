"""One of the two databases of a copy: its memories with all that is known of them, and what tells two of them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen, field
from ai_memory.memory.freshness import Freshness, classify
from ai_memory.memory.sameness import same
from ai_memory.stores.memory_values import Recorded, WholeMemory

if TYPE_CHECKING:
    from ai_memory.memory.records import Memory
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.stores.memory_port import Library
    from ai_memory.vectors.target import Fingerprint

PAGE = 500
"""Memories that are read, compared and written together."""
BLOCK = 20_000
"""Ids that are read at once: files of the Rust program have no index by namespace and id, see stores/sqlite/walk."""
VECTOR, RECORD, FRESHNESS = "vector", "record of the vector", "freshness"


class Seen(Frozen):
    """One memory as it stands: all columns but the vector's, and as a migration sees it."""

    memory: Memory
    row: MemoryRow


class Side(Frozen):
    """An open database, looked at in pages of so many memories; what was read of its targets is kept."""

    library: Library
    traits: Traits
    page: int = PAGE
    targets: dict[int, Fingerprint] = field(default_factory=dict)
    unproven: dict[int, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, library: Library, page: int = PAGE) -> Side:
        """Return the side of an open database; its `traits` are what its rows declare of their vector."""
        return cls(library, library.store.memories.traits, page)

    def pages(self) -> Iterator[list[str]]:
        """Yield the ids of all memories, by namespace and id."""
        memories = self.library.store.memories
        for namespace in memories.namespaces():
            after: str | None = None
            while block := memories.ids_after(namespace, after, limit=BLOCK):
                after = block[-1]
                yield from (block[start : start + self.page] for start in range(0, len(block), self.page))

    def seen(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Return those of some memories that are there, in the order of `ids`."""
        memories = self.library.listing.of_ids(ids)
        rows = self.library.store.memories.rows_by_id(ids, target=None)
        return {row.id: Seen(memories[row.id], row) for row in rows if row.id in memories}

    def target(self, number: int) -> Fingerprint:
        """Return the record of a target.

        Raises:
            DataRefused: it is damaged.
        """
        if number not in self.targets:
            self.targets[number] = self.library.store.targets.read(number)
        return self.targets[number]

    def whole(self, seen: Seen, as_known: Mapping[int, Fingerprint] | None = None) -> WholeMemory:
        """Return a memory with all that is known of it, its target as another database knows it (None: as this one).

        What its row cannot declare of the vector is taken from the record, where that is of this vector.
        """
        row, made_by = seen.row, self._made_by(seen.row)
        dim, space = row.dim, None if row.raw_space is None else row.codec.name(row.raw_space)
        if not self.traits.has_dim:
            dim = made_by.dim if made_by else (row.width if row.width > 0 else None)
        if not self.traits.has_space:
            space = made_by.space if made_by else None
        return WholeMemory(seen.memory.values, row.embedding, dim, space, self._recorded(row, as_known))

    def freshness(self, seen: Seen) -> Freshness:
        """Return what a memory is, seen from the target that is recorded for it."""
        number = seen.row.fingerprint_id
        return classify(seen.row, None if number is None else self.target(number), self.traits)

    def _made_by(self, row: MemoryRow) -> Fingerprint | None:
        """Return the target of the vector that stands in a row, as far as it is recorded."""
        if row.fingerprint_id is None or row.recorded_head != row.head:
            return None
        return self.target(row.fingerprint_id)

    def _recorded(self, row: MemoryRow, as_known: Mapping[int, Fingerprint] | None) -> Recorded | None:
        if row.fingerprint_id is None:
            return None
        target = self.target(row.fingerprint_id)
        known = target if as_known is None else as_known.get(target.id)
        if known is None:
            # It was entered here just now: the census names the memory, and the next start has the target.
            return None
        head = None if row.recorded_head == row.head else row.recorded_head
        return Recorded(known, row.recorded_src or b"", head, row.origin or "", row.id not in self._unproven(target))

    def _unproven(self, target: Fingerprint) -> frozenset[str]:
        if target.id not in self.unproven:
            self.unproven[target.id] = frozenset(self.library.store.targets.unproven(target))
        return self.unproven[target.id]


class Comparison(Frozen):
    """In what two memories differ, and which columns mean the same and are written in another way."""

    differing: list[str]
    rewritten: list[str]


class Judge(Frozen):
    """Compares a memory that was to be copied with the one that stands there, by what the other database can hold."""

    columns: tuple[str, ...]
    required: frozenset[str]
    traits: Traits

    @classmethod
    def between(cls, source: Side, target: Side) -> Judge:
        """Return who judges by the columns that both have."""
        theirs, ours = source.library.memories.columns, target.library.memories.columns
        required = (name for name, column in ours.items() if column.required)
        return cls(tuple(sorted(theirs.keys() & ours.keys())), frozenset(required), target.traits)

    def compare(self, wanted: WholeMemory, stands: WholeMemory) -> Comparison:
        """Return what tells two memories apart."""
        found = Comparison([], [])
        for name in self.columns:
            one, other = wanted.values[name], stands.values[name]
            # In the place of a NULL that it does not take a database has its default.
            if one != other and not (one is None and name in self.required):
                (found.rewritten if same(name, one, other) else found.differing).append(name)
        if _numbers(wanted.blob) != _numbers(stands.blob) or _stamp(wanted, self.traits) != _stamp(stands, self.traits):
            found.differing.append(VECTOR)
        if _record(wanted) != _record(stands):
            found.differing.append(RECORD)
        return found


def _numbers(blob: bytes | None) -> bytes | None:
    """Return a vector without the header byte that an old one lacks."""
    return None if blob is None else blob[len(blob) % 4 :]


def _stamp(memory: WholeMemory, traits: Traits) -> tuple[int | None, str | None]:
    return memory.dim if traits.has_dim else None, memory.space if traits.has_space else None


def _record(memory: WholeMemory) -> tuple[object, ...] | None:
    known = memory.recorded
    return None if known is None else (known.target.digest, known.src, known.head, known.origin, known.proven)
