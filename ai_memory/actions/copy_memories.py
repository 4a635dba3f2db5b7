"""Copies the memories of one database into another one, with their vectors and what is known of these.

In pages, each of them one transaction; what stands in the target already is compared, and left where it is the same.
So whoever ended this, and whenever: the next start goes on, and what was edited in the source meanwhile is copied anew.
The target is paused until a census finds nothing that differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai_memory.actions.copy_beside import copy_links, copy_quarantine, enter_targets
from ai_memory.actions.copy_census import Census, LinkName, census
from ai_memory.actions.copy_side import PAGE, Judge, Side
from ai_memory.errors import StatementRefused
from ai_memory.reembed.unfinished_copy import BY, pause_of
from ai_memory.text.times import instant_of

if TYPE_CHECKING:
    from ai_memory.actions.copy_side import Seen
    from ai_memory.memory.records import Memory
    from ai_memory.stores.memory_port import Library, LibraryTransaction, WritableLibrary
    from ai_memory.stores.memory_values import WholeMemory
    from ai_memory.vectors.target import Fingerprint

NO_VECTOR = "copied without its vector: what stands in its place is a text or a number"
COPYING, COUNTING = "copy", "census"
"""The parts of the work."""


@dataclass(slots=True)
class Copied:
    """What became of a copy: memories written, those that stood there, those taken out again; entries in quarantine.

    `left` says by its id which memory the target does not hold as the source has it, and why; `links` likewise.
    """

    written: int = 0
    there: int = 0
    removed: int = 0
    quarantined: int = 0
    left: dict[str, str] = field(default_factory=dict)
    links: dict[LinkName, str] = field(default_factory=dict)
    census: Census = field(default_factory=Census)

    @property
    def whole(self) -> bool:
        """Whether the target holds all that it was to be given."""
        return self.census.agrees and not self.left and not self.links


@dataclass(slots=True)
class CopyMemories:
    """One copy from `source` into `target`; `name` is what the source is known by, wherever one stands.

    `targets` are the numbers of the source's targets that go along, `page` is how many memories are written together.
    `passed` hears of the part of the work, and of how many memories more are done in it; it may raise, as nothing is
    open then.
    """

    source: Library
    target: WritableLibrary
    name: str
    targets: Sequence[int]
    now_ms: int
    passed: Callable[[str, int], None]
    page: int = PAGE
    entered: dict[int, Fingerprint] = field(default_factory=dict)
    no_vectors: frozenset[bytes] = frozenset()
    done: Copied = field(default_factory=Copied)

    def run(self, *, goes_on: bool) -> Copied:
        """Copy, compare both, and lift the pause where nothing differs; return what became of it.

        `goes_on`: the target is the unfinished copy of this source, else it has no memories.

        Raises:
            DataRefused: the record of a target, or of a row in quarantine, is damaged; the target takes no row at all.
        """
        store = self.target.store
        with store.transaction() as transaction:
            begun = store.operator.pause(now_ms=self.now_ms) if goes_on else None
            if begun is None:
                begun = pause_of(self.name, now_ms=self.now_ms)
                transaction.operator.pause(begun)
            self.entered = enter_targets(transaction, self.source.store, self.targets, now_ms=self.now_ms)
        with self.source.unchanging(gently=True):
            self._copy(Side.of(self.source, self.page), begun.at if goes_on else None)
        self.done.census = census(
            Side.of(self.source, self.page),
            Side.of(self.target, self.page),
            spared=self.done.left,
            spared_links=self.done.links,
            passed=lambda rows: self.passed(COUNTING, rows),
        )
        pause = store.operator.pause(now_ms=self.now_ms)
        # One by somebody else, since then, is not ours to lift.
        if self.done.whole and pause and pause.by == BY:
            with store.transaction() as transaction:
                transaction.operator.unpause()
        return self.done

    def _copy(self, source: Side, begun_at: int | None) -> None:
        """Copy all; `begun_at` (Unix milliseconds) is when a copy was begun that goes on."""
        self.no_vectors = frozenset(self.source.counts.not_vectors())
        gone = [] if begun_at is None else self._free_names(begun_at)
        self._copy_atoms(source, self._copy_pages(source, source.pages()))
        self._remove(gone)
        self.done.links = copy_links(self.source, self.target, lambda rows: self.passed(COPYING, rows))
        self.done.quarantined = copy_quarantine(self.source.store, self.target.store, self.entered)

    def _free_names(self, begun_at: int) -> list[str]:
        """Take their titles from memories that have not these in the source; return those that were deleted there.

        A title is one memory's in its namespace: what had it could stand in the way of what has it now. What was
        changed since the copy was begun, and is not in the source, somebody stored in the target: the census names it.
        """
        gone: list[str] = []
        for ids in list(Side.of(self.target, self.page).pages()):
            theirs, ours = self.source.listing.of_ids(ids), self.target.listing.of_ids(ids)
            named = {row_id: (each.namespace, each.title) for row_id, each in theirs.items()}
            others = [
                row_id
                for row_id, each in ours.items()
                if named.get(row_id) != (each.namespace, each.title) and (row_id in theirs or _is_older(each, begun_at))
            ]
            if others:
                with self.target.transaction() as transaction:
                    for each in others:
                        transaction.memories.update(each, {"title": f"{each} (set aside by a copy)"})
            gone += [each for each in others if each not in theirs]
            self.passed(COPYING, 0)
        return gone

    def _remove(self, gone: list[str]) -> None:
        """Delete memories that are no longer in the source, atoms before what they are atoms of."""
        while gone:
            with self.target.transaction() as transaction:
                left = [each for each in gone if not _deleted(transaction, each)]
            self.done.removed += len(gone) - len(left)
            if len(left) == len(gone):
                # The census names them.
                return
            gone = left

    def _copy_pages(self, source: Side, pages: Iterable[Sequence[str]]) -> list[str]:
        """Copy memories; return those of which the target has not yet what they are atoms of."""
        target, later = Side.of(self.target, self.page), list[str]()
        judge = Judge.between(source, target)
        for ids in pages:
            theirs = source.seen(ids)
            ready = self._ready(theirs)
            later += [each for each in theirs if each not in ready]
            wanted = {row_id: source.whole(each, self.entered) for row_id, each in ready.items()}
            ours = {row_id: target.whole(each) for row_id, each in target.seen(list(wanted)).items()}
            stands = {row_id for row_id, each in ours.items() if not judge.compare(wanted[row_id], each).differing}
            self._write([each for row_id, each in wanted.items() if row_id not in stands])
            self.done.there += len(stands)
            self.done.left |= {
                row_id: NO_VECTOR for row_id, each in ready.items() if each.row.raw_id in self.no_vectors
            }
            self.passed(COPYING, len(ready))
        return later

    def _ready(self, theirs: dict[str, Seen]) -> dict[str, Seen]:
        """Return the memories that are atoms of none, or of one that stands in the target."""
        if "atom_of" not in self.target.memories.columns:
            return theirs
        parents = {row_id: each.memory.values.get("atom_of") for row_id, each in theirs.items()}
        named = {parent for parent in parents.values() if isinstance(parent, str)}
        there = self.target.listing.of_ids(sorted(named)) if named else {}
        return {row_id: each for row_id, each in theirs.items() if parents[row_id] is None or parents[row_id] in there}

    def _copy_atoms(self, source: Side, later: list[str]) -> None:
        """Copy atoms once what they are atoms of is there; of which it never comes is tried as it is."""
        while later:
            left = self._copy_pages(source, self._paged(later))
            if len(left) == len(later):
                for ids in self._paged(left):
                    self._write([source.whole(each, self.entered) for each in source.seen(ids).values()])
                    self.passed(COPYING, len(ids))
                return
            later = left

    def _paged(self, ids: Sequence[str]) -> Iterator[Sequence[str]]:
        return (ids[start : start + self.page] for start in range(0, len(ids), self.page))

    def _write(self, memories: Sequence[WholeMemory]) -> None:
        if not memories:
            return
        try:
            with self.target.transaction() as transaction:
                transaction.memories.put_whole(memories)
        except StatementRefused:
            # Which of them is refused is found by each for itself.
            with self.target.transaction() as transaction:
                refused = {str(each.values["id"]): _refusal(transaction, each) for each in memories}
            self.done.left |= {row_id: why for row_id, (why, _) in refused.items() if why}
            self.done.written += sum(is_there for _, is_there in refused.values())
        else:
            self.done.written += len(memories)


def _is_older(memory: Memory, at_ms: int) -> bool:
    """Return whether a memory was last changed before a time (Unix milliseconds), as far as it tells."""
    told = memory.values.get("updated_at")
    changed = instant_of(told) if isinstance(told, str) else None
    return changed is not None and changed.timestamp() * 1000 < at_ms


def _deleted(transaction: LibraryTransaction, row_id: str) -> bool:
    try:
        with transaction.step():
            return transaction.memories.delete(row_id)
    except StatementRefused:
        return False


def _refusal(transaction: LibraryTransaction, memory: WholeMemory) -> tuple[str, bool]:
    """Write one memory, without its vector where it is for that; return what was refused, and whether it is there."""
    if not (why := _put(transaction, memory)):
        return "", True
    if memory.blob is None or _put(transaction, memory.without_vector):
        return f"not copied: {why}", False
    return f"copied without its vector: {why}", True


def _put(transaction: LibraryTransaction, memory: WholeMemory) -> str:
    """Write one memory, and return why it is refused, empty where it is not."""
    try:
        with transaction.step():
            transaction.memories.put_whole([memory])
    except StatementRefused as error:
        return error.words
    return ""
