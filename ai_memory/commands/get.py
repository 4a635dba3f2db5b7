"""`get`: one memory, whole."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.actions.meant import meant, the_memory
from ai_memory.memory.exchange import to_object
from ai_memory.memory.text_codec import readable
from ai_memory.stores.opening import reading
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.memory.records import Value
    from ai_memory.show.console import Console

LAST = ("content",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the memory is named by."""
    parser.add_argument("name", metavar="NAME", help="its id, the beginning of that, or its title")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Show the memory that is meant: that of this id, else of this title, else whose id begins so.

    Raises:
        NotFound: there is none.
        UsageError: there are several.
    """
    with reading(settings.db.value) as library:
        memory_id = meant(library, args.name)
        memory = the_memory(library, memory_id)
        present = {name: value for name, value in memory.values.items() if value is not None}
        embedded = library.memories.has_vector(memory_id)
    fields = [
        f"{name}: {_shown(value)}" for name, value in {**present, "embedded": embedded}.items() if name not in LAST
    ]
    values = {**to_object(present), "embedded": embedded}
    console.memories(values, *fields, "", *readable(memory.content).split("\n"))
    return 0


def _shown(value: Value) -> str:
    return counted(len(value), "byte") if isinstance(value, bytes) else readable(str(value))
