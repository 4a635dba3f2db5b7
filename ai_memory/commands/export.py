"""`export`: all memories and their links as JSON Lines, with everything but vectors."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai_memory.memory.envelope import KeyFolder, content_of
from ai_memory.memory.exchange import LINK_KEY, to_object
from ai_memory.memory.rules import first_fault
from ai_memory.memory.text_codec import printable
from ai_memory.show.console import Console, to_json
from ai_memory.stores.opening import reading
from ai_memory.text.amounts import counted
from ai_memory.text.cleaning import one_line

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.memory.envelope import Opener
    from ai_memory.memory.records import Memory, Value
    from ai_memory.stores.memory_port import Library
    from ai_memory.stores.memory_values import LeftBehind

NAMED_ROWS = 20
ONLY_THERE = "an import takes it only where that memory is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the namespace."""
    within = "only the memories of this namespace, and the links between them; NS/*: all below it"
    parser.add_argument("-n", "--namespace", metavar="NS", help=within)
    plain = "write what is encrypted in plain text, where the key is at hand; the others in their envelopes"
    parser.add_argument("--decrypt", action="store_true", help=plain)


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Write one JSON object a memory and a link, or with --json one object with all of them.

    Raises:
        NotFound: the namespace was never seen.
    """
    opener = KeyFolder(settings.key_dir.value) if args.decrypt else None
    with reading(settings.db.value) as library, library.unchanging():
        library.listing.require_found(args.namespace)
        out = _Export(library, args.namespace, opener)
        if console.json:
            console.out.write('{"memories": [')
            _write_list(out.memories(), console)
            console.out.write('], "links": [')
            _write_list(out.links(), console)
            console.out.write("]}\n")
        else:
            for each in out.memories():
                console.out.write(f"{to_json(each)}\n")
            for each in out.links():
                console.out.write(f"{to_json({LINK_KEY: each})}\n")
        stays = library.counts.left_behind()
    out.oddities.tell(out.ids, console)
    _tell_left_behind(stays, console)
    return 0


def _write_list(objects: Iterator[dict[str, object]], console: Console) -> None:
    for number, each in enumerate(objects):
        console.out.write(f"{', ' if number else ''}{to_json(each)}")


def _tell_left_behind(stays: LeftBehind, console: Console) -> None:
    if stays.archived:
        console.note(f"Not exported: {counted(stays.archived, 'archived memory')}.")
    if stays.tables:
        console.note(f"Not exported: the tables {', '.join(map(printable, stays.tables))}.")


@dataclass(slots=True)
class _Oddities:
    """What a reader of the export should know of what is in it."""

    encrypted: int = 0
    decrypted: int = 0
    unopened: list[str] = field(default_factory=list)
    without_id: int = 0
    links: int = 0
    atoms: list[tuple[str, Value]] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    def look_at(self, memory: Memory) -> None:
        self.without_id += memory.values["id"] is None
        if (parent := memory.values.get("atom_of")) is not None:
            self.atoms.append((one_line(memory.id or memory.title), parent))
        if fault := first_fault(memory.values):
            self.odd.append(f"{one_line(memory.id or memory.title)}: {fault}")

    def tell(self, ids: set[Value], console: Console) -> None:
        if self.decrypted:
            console.warn(f"Exported in plain text: {counted(self.decrypted, 'encrypted memory')}.")
        for line in self.unopened[:NAMED_ROWS]:
            console.warn(f"{line}; it is exported in its envelope.")
        if self.encrypted:
            console.note(f"Exported in the envelope: {counted(self.encrypted, 'encrypted memory')}.")
        if self.without_id:
            console.warn(f"{counted(self.without_id, 'memory has', 'memories have')} no id; an import will give one.")
        for line in self.odd[:NAMED_ROWS]:
            console.warn(f"{line}; it is exported as it is stored.")
        if len(self.odd) > NAMED_ROWS:
            more = counted(len(self.odd) - NAMED_ROWS, "more memory holds", "more memories hold")
            console.warn(f"{more} a value that no new one may have.")
        if self.links:
            console.warn(f"Not exported: {counted(self.links, 'link')} to memories that are not exported either.")
        self._tell_orphans([(name, parent) for name, parent in self.atoms if parent not in ids], console)

    def _tell_orphans(self, orphans: list[tuple[str, Value]], console: Console) -> None:
        for name, parent in orphans[:NAMED_ROWS]:
            console.warn(f"{name} is an atom of {one_line(str(parent))}, which is not exported; {ONLY_THERE}.")
        if len(orphans) > NAMED_ROWS:
            more = counted(len(orphans) - NAMED_ROWS, "more is an atom", "more are atoms")
            console.warn(f"{more} of memories that are not exported.")


@dataclass(slots=True)
class _Export:
    """The objects of one export, and what its reader should know of them."""

    library: Library
    namespace: str | None
    opener: Opener | None
    ids: set[Value] = field(default_factory=set)
    oddities: _Oddities = field(default_factory=_Oddities)

    def memories(self) -> Iterator[dict[str, object]]:
        listing = self.library.listing
        for memory in listing.all(self.namespace):
            self.oddities.look_at(memory)
            self.ids.add(memory.values["id"])
            yield to_object(self._opened(memory, listing.told(memory)))

    def _opened(self, memory: Memory, told: dict[str, Value]) -> dict[str, Value]:
        """Return what is told of a memory; where its envelope is to be opened and can be, with its content instead."""
        if not memory.encrypted:
            return told
        content = self._content(memory)
        if content is None:
            self.oddities.encrypted += 1
            return told
        self.oddities.decrypted += 1
        return {**{name: value for name, value in told.items() if name != "encrypted_envelope"}, "content": content}

    def _content(self, memory: Memory) -> str | None:
        """Return the content of an encrypted memory, None where it is not to be had."""
        if self.opener is None:
            return None
        content = content_of(memory, self.opener)
        if isinstance(content, str):
            return content
        self.oddities.unopened.append(f"{one_line(memory.id or memory.title)}: {content.message}")
        return None

    def links(self) -> Iterator[dict[str, object]]:
        links = self.library.links
        for link in links.all():
            if link["source_id"] in self.ids and link["target_id"] in self.ids:
                yield to_object(links.told(link))
            else:
                self.oddities.links += 1
