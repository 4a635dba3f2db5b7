"""Takes what a file holds into a database: all of it, or all that the database can store, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ai_memory.actions.ingest import Outcome, Put, find, put
from ai_memory.errors import DataRefused, DraftRefused, StatementRefused
from ai_memory.memory.exchange import MEND, Parsed
from ai_memory.memory.records import DEFAULT_NAMESPACE
from ai_memory.text.cleaning import one_line
from ai_memory.text.times import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ai_memory.memory.records import Draft, Value
    from ai_memory.stores.memory_port import LibraryTransaction, WritableLibrary
    from ai_memory.stores.memory_port_reading import MemoryReader

RELATION = "related_to"
"""What the Rust program takes a link for that names no relation."""
WRITTEN = (Outcome.CREATED, Outcome.UPDATED)
TAKEN_OUT = "a trigger of the database took it out again"


@dataclass(slots=True)
class Imported:
    """What became of a file: memories, links that are new or changed, links without a table, what was left out.

    `altered` are the columns of each new or changed link that a trigger of the database changed at once.
    `plain_among` are the namespaces that had encrypted memories, and got new or changed ones in plain text.
    """

    stored: list[Put] = field(default_factory=list)
    links: int = 0
    altered: list[tuple[str, ...]] = field(default_factory=list)
    links_unkept: int = 0
    refused: list[DataRefused] = field(default_factory=list)
    plain_among: set[str] = field(default_factory=set)


@dataclass(slots=True)
class FileImport:
    """Takes one parsed file in; with `skip` what cannot be stored is left out, without it nothing is stored then.

    `before_commit` is called when nothing but the commit is left to do.
    """

    library: WritableLibrary
    now_ms: int
    skip: bool
    before_commit: Callable[[], object] = lambda: None
    ids: dict[Value, Value] = field(default_factory=dict)
    put: list[tuple[Draft, Put]] = field(default_factory=list)
    linked: list[tuple[str, dict[str, Value], tuple[str, ...]]] = field(default_factory=list)
    taken: Imported = field(default_factory=Imported)

    def take(self, parsed: Parsed) -> Imported:
        """Store the memories and links of a file; return what became of them.

        Raises:
            DataRefused: something cannot be stored (and `skip` is false); then nothing of the file is.
            SchemaRefused: the database takes no memory, or no link, whatever stands in the file.
        """
        for refusal in parsed.refused:
            self._refuse(refusal)
        with self.library.transaction() as transaction:
            memories = transaction.library.memories
            transaction.memories.defer_references()
            before = set(memories.orphans())
            # Of a namespace only the newest memories are looked at: soon they are those of the file.
            plain = {_namespace(draft) for draft in parsed.memories if _is_plain(draft)}
            encrypted = {name for name in plain if transaction.library.counts.has_encrypted(name)}
            for draft in _renamed(self._attached(parsed.memories, memories), memories):
                self._put(transaction, draft)
            if orphans := sorted(set(memories.orphans()) - before):
                raise _orphaned(f"The memory {one_line(orphans[0])}")
            for link in parsed.links:
                self._link(transaction, link)
            self._confirm(transaction, encrypted)
            self.before_commit()
        return self.taken

    def _confirm(self, transaction: LibraryTransaction, encrypted: Collection[str]) -> None:
        """Count what stands there now, and refuse what the triggers of later memories and links took out again.

        The namespaces `encrypted` had encrypted memories before.
        """
        for draft, stored in self.put:
            if stored.id is not None and transaction.memories.is_gone(stored.id):
                self._refuse(DataRefused(f"{draft.where}: {TAKEN_OUT}.", tip=MEND))
                continue
            self.taken.stored.append(stored)
            if stored.outcome in WRITTEN and _is_plain(draft) and _namespace(draft) in encrypted:
                self.taken.plain_among.add(_namespace(draft))
        for where, values, altered in self.linked:
            if transaction.links.is_gone(values):
                self._refuse(DataRefused(f"{where}: {TAKEN_OUT}.", tip=MEND))
            else:
                self.taken.links += 1
                self.taken.altered.append(altered)

    def _refuse(self, refusal: DataRefused) -> None:
        if not self.skip:
            raise refusal
        self.taken.refused.append(refusal)

    def _attached(self, drafts: list[Draft], memories: MemoryReader) -> list[Draft]:
        """Return the drafts whose `atom_of` is in the file or in the database."""
        # What is left out may have atoms of its own.
        while lost := _orphans(drafts, memories):
            for place in sorted(lost):
                self._refuse(_orphaned(drafts[place].where))
            drafts = [draft for place, draft in enumerate(drafts) if place not in lost]
        return drafts

    def _put(self, transaction: LibraryTransaction, draft: Draft) -> None:
        try:
            with transaction.step():
                stored = put(transaction, draft, now_ms=self.now_ms, source="import")
        except StatementRefused as error:
            self._refuse(_refused_by_database(draft, error))
        except DraftRefused as error:
            self._refuse(error)
        else:
            self.put.append((draft, stored))
            self.ids[draft.values.get("id")] = stored.id

    def _link(self, transaction: LibraryTransaction, draft: Draft) -> None:
        here = transaction.library
        if not here.links.kept:
            self.taken.links_unkept += 1
            return
        ends = {end: self.ids.get(draft.values[end], draft.values[end]) for end in ("source_id", "target_id")}
        if unknown := [value for value in ends.values() if here.memories.get(value) is None]:
            what = f"{draft.where} leads to {one_line(str(unknown[0]))}, which is not in file or database."
            self._refuse(DataRefused(what, tip=MEND))
            return
        values = {"relation": RELATION, "created_at": timestamp(self.now_ms), **draft.values, **ends}
        try:
            with transaction.step():
                altered = transaction.links.put(values)
        except StatementRefused as error:
            self._refuse(_refused_by_database(draft, error))
        else:
            if altered is not None:
                self.linked.append((draft.where, values, altered))


def _is_plain(draft: Draft) -> bool:
    return draft.values.get("encrypted_envelope") is None


def _namespace(draft: Draft) -> str:
    return str(draft.values.get("namespace") or DEFAULT_NAMESPACE)


def _orphans(drafts: list[Draft], memories: MemoryReader) -> set[int]:
    """Return the places of the drafts whose `atom_of` is neither among them nor in the database."""
    ids = {None, *(draft.values.get("id") for draft in drafts)}
    parents = [draft.values.get("atom_of") for draft in drafts if "atom_of" in memories.columns]
    return {place for place, parent in enumerate(parents) if parent not in ids and memories.get(parent) is None}


def _renamed(drafts: list[Draft], memories: MemoryReader) -> list[Draft]:
    """Return the drafts, atoms of a memory that is here under another id as atoms of that one."""
    wanted = {draft.values.get("atom_of") for draft in drafts} - {None}
    here: dict[Value, Value] = {}
    for draft in drafts:
        if (given := draft.values.get("id")) in wanted and (found := find(memories, draft)) is not None:
            here[given] = found.values["id"]
    parents = ((draft, here.get(draft.values.get("atom_of"))) for draft in drafts)
    return [draft if parent is None else _atom_of(draft, parent) for draft, parent in parents]


def _atom_of(draft: Draft, parent: Value) -> Draft:
    return replace(draft, values={**draft.values, "atom_of": parent})


def _orphaned(what: str) -> DataRefused:
    return DataRefused(f"{what} is an atom of a memory that is not in file or database.", tip=MEND)


def _refused_by_database(draft: Draft, error: StatementRefused) -> DataRefused:
    return DataRefused(f"{draft.where}: the database refuses it: {error.words}.", tip=MEND)
