"""`export`: all memories as JSON Lines, with everything but vectors."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field

from ai_memory.console import Console
from ai_memory.console import to_json as one_line
from ai_memory.exchange import to_object
from ai_memory.records import Memory
from ai_memory.settings import Settings
from ai_memory.store.memories import Memories
from ai_memory.store.opening import reading
from ai_memory.store.text import printable

NAMED_ROWS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the namespace."""
    parser.add_argument("-n", "--namespace", metavar="NS", help="only the memories of this namespace")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Write one JSON object a memory, or with --json one object with all of them."""
    oddities = _Oddities()
    with reading(settings.db.value) as store, store.db.snapshot():
        _write(Memories.of(store).all(args.namespace), oddities, console)
    oddities.tell(console)
    return 0


def _write(memories: Iterable[Memory], oddities: _Oddities, console: Console) -> None:
    if console.json:
        console.out.write('{"memories": [')
    for number, memory in enumerate(memories):
        oddities.look_at(memory)
        line = one_line(to_object(memory))
        console.out.write(f"{', ' if number else ''}{line}" if console.json else f"{line}\n")
    if console.json:
        console.out.write("]}\n")


@dataclass(slots=True)
class _Oddities:
    """What a reader of the export should know of some memories."""

    encrypted: int = 0
    without_id: int = 0
    not_text: list[str] = field(default_factory=list)

    def look_at(self, memory: Memory) -> None:
        self.encrypted += memory.encrypted
        self.without_id += memory.id is None
        if any(isinstance(value, str) and not _is_text(value) for value in memory.values.values()):
            self.not_text.append(memory.id or memory.title)

    def tell(self, console: Console) -> None:
        if self.encrypted:
            console.note(f"{self.encrypted:,} memories are encrypted and leave in their envelopes.")
        if self.without_id:
            console.warn(f"{self.without_id:,} memories have no id; an import will give them one.")
        for name in self.not_text[:NAMED_ROWS]:
            console.warn(f"{printable(name)} has text that is not UTF-8; each such byte is written as \\udcXX.")
        if len(self.not_text) > NAMED_ROWS:
            console.warn(f"{len(self.not_text) - NAMED_ROWS:,} more memories have text that is not UTF-8.")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
