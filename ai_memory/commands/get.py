"""`get`: one memory, whole."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.errors import NotFound
from ai_memory.memory.exchange import to_object
from ai_memory.memory.text_codec import printable, readable
from ai_memory.stores.opening import reading
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.memory.records import Value
    from ai_memory.show.console import Console

LAST = ("content",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the id."""
    parser.add_argument("id", metavar="ID")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Show the memory of that id.

    Raises:
        NotFound: there is none.
    """
    with reading(settings.db.value) as library:
        memory = library.memories.get(args.id)
        if memory is None:
            raise NotFound(
                f"There is no memory {printable(args.id)} in {library.store.name}.", tip="See ai-memory list"
            )
        present = {name: value for name, value in memory.values.items() if value is not None}
        embedded = library.memories.has_vector(args.id)
    fields = [
        f"{name}: {_shown(value)}" for name, value in {**present, "embedded": embedded}.items() if name not in LAST
    ]
    values = {**to_object(present), "embedded": embedded}
    console.memories(values, *fields, "", *readable(memory.content).split("\n"))
    return 0


def _shown(value: Value) -> str:
    return counted(len(value), "byte") if isinstance(value, bytes) else readable(str(value))
