"""`get`: one memory, whole."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.errors import NotFound, UsageError
from ai_memory.memory.exchange import to_object
from ai_memory.memory.text_codec import printable, readable
from ai_memory.stores.opening import reading
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.memory.records import Value
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_port import Library

LAST = ("content",)
SHOWN_MEANT = 3


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
        memory_id = _meant(library, args.name)
        memory = library.memories.get(memory_id)
        if memory is None:
            what = f"There is no memory {printable(args.name)} in {library.store.name}."
            raise NotFound(what, tip="See ai-memory list")
        present = {name: value for name, value in memory.values.items() if value is not None}
        embedded = library.memories.has_vector(memory_id)
    fields = [
        f"{name}: {_shown(value)}" for name, value in {**present, "embedded": embedded}.items() if name not in LAST
    ]
    values = {**to_object(present), "embedded": embedded}
    console.memories(values, *fields, "", *readable(memory.content).split("\n"))
    return 0


def _meant(library: Library, name: str) -> str:
    """Return the id of the memory that a name means, the name itself where it means none."""
    if library.memories.get(name) is not None:
        return name
    found = library.memories.meant(name, most=SHOWN_MEANT + 1)
    if len(found) > 1:
        shown = [printable(f"{each.id} ({each.namespace}: {each.title})") for each in found[:SHOWN_MEANT]]
        more = [", and more"] if len(found) > SHOWN_MEANT else []
        what = f"{printable(name)} may mean several memories: {', '.join(shown)}{''.join(more)}."
        raise UsageError(what, tip="Name one of them by its id.")
    return found[0].id if found else name


def _shown(value: Value) -> str:
    return counted(len(value), "byte") if isinstance(value, bytes) else readable(str(value))
