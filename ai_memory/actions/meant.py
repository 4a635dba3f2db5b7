"""Which memory a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import NotFound, UsageError
from ai_memory.memory.text_codec import printable

if TYPE_CHECKING:
    from ai_memory.memory.records import Memory
    from ai_memory.stores.memory_port import Library

SHOWN_MEANT = 3


def meant(library: Library, name: str) -> str:
    """Return the id of the memory that is meant: that of this id, else of this title, else whose id begins so.

    The name itself where it means none.

    Raises:
        UsageError: there are several.
    """
    if library.memories.get(name) is not None:
        return name
    found = library.memories.meant(name, most=SHOWN_MEANT + 1)
    if len(found) > 1:
        shown = [printable(f"{each.id} ({each.namespace}: {each.title})") for each in found[:SHOWN_MEANT]]
        more = [", and more"] if len(found) > SHOWN_MEANT else []
        what = f"{printable(name)} may mean several memories: {', '.join(shown)}{''.join(more)}."
        raise UsageError(what, tip="Name one of them by its id.")
    return found[0].id if found else name


def the_memory(library: Library, memory_id: str) -> Memory:
    """Return the memory of that id.

    Raises:
        NotFound: there is none.
    """
    memory = library.memories.get(memory_id)
    if memory is None:
        what = f"There is no memory {printable(memory_id)} in {library.store.name}."
        raise NotFound(what, tip="See ai-memory list")
    return memory
