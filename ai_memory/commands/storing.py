"""One memory, upsert on title and namespace: its text first, then its vector from whoever is to give it one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_memory.actions.filling import Filling
from ai_memory.actions.ingest import Outcome, put
from ai_memory.actions.renew import renew
from ai_memory.clock import SystemClock
from ai_memory.commands.altered import warn_of_altered, warn_of_plain
from ai_memory.commands.choose_embedders import choose_for
from ai_memory.commands.choose_writers import choose_writers
from ai_memory.commands.embedder_errors import VECTOR_ERRORS
from ai_memory.commands.known_witness import local_ties, witness_in
from ai_memory.commands.without_vectors import namespaces_of, tell_stored_without, tell_unknown
from ai_memory.embed.assemble import assemble_interactive
from ai_memory.errors import UsageError
from ai_memory.frozen import Frozen
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.tools import SweepTools

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ai_memory.commands.choose_writers import Writer
    from ai_memory.commands.interrupts import Interrupts
    from ai_memory.commands.teller import Teller
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.embed.terms import Ties
    from ai_memory.memory.records import Draft
    from ai_memory.stores.memory_port import WritableLibrary
    from ai_memory.stores.port import Store

Make = Callable[["EmbeddingSettings", "Ties"], "ResilientEmbedder"]
"""See `embed.assemble.assemble_interactive`."""


class Storing(Frozen):
    """Where memories are stored and by whom they are embedded; with `settings` None they get no vector now.

    `opened` opens the database to write, `teller` hears what a person should know, `source` goes into new memories,
    `make` gives the embedders.
    """

    opened: Callable[[], AbstractContextManager[WritableLibrary]]
    settings: Settings | None
    teller: Teller
    source: str
    make: Make = assemble_interactive


class Stored(Frozen):
    """What became of a memory, whether it was embedded just now, and whether it has a vector."""

    id: str
    outcome: str
    embedded: bool
    new_database: bool
    has_vector: bool


def store_memory(draft: Draft, storing: Storing, interrupts: Interrupts, done: list[str]) -> Stored:
    """Store the memory, and give it its vector if that is wanted; `done` is told of its id once it is stored.

    Raises:
        UsageError: the memory is encrypted and cannot be replaced, or has no id.
        DataRefused: the database does not take it, or a trigger undid it.
    """
    clock, teller = SystemClock(), storing.teller
    with storing.opened() as library:
        with library.transaction() as transaction:
            stored = put(transaction, draft, now_ms=clock.now_ms(), source=storing.source)
            if stored.id is None:
                raise UsageError("A memory without an id has this title.", tip="Choose another title.")
            interrupts.hold()
        if stored.outcome is Outcome.KEPT_ENCRYPTED:
            raise UsageError(
                f"The memory {stored.id} is encrypted; this program cannot encrypt the new content.",
                tip="Choose another title, or delete it first.",
            )
        done.append(stored.id)
        interrupts.release()
        warn_of_altered([stored.altered], "memory", teller)
        warn_of_plain(
            [name for name in namespaces_of(library, [stored.id]) if library.counts.has_encrypted(name)], teller
        )
        embedded = storing.settings is not None and _embed(library, stored.id, storing.settings, storing)
        has_vector = library.memories.has_vector(stored.id)
        return Stored(stored.id, stored.outcome.value, embedded, library.about.created, has_vector)


def _embed(library: WritableLibrary, memory_id: str, settings: Settings, storing: Storing) -> bool:
    """Have the memory embedded by whoever is to, and return whether one of them gave a vector."""
    writers = choose_writers(library.store, settings, choose_for, lambda: namespaces_of(library, [memory_id]))
    tell_unknown(writers, library.store, settings.embedding, storing.teller)
    # Where only one is asked, a vector of another model is replaced.
    alone, embedded = len(writers.asked) == 1, False
    for each in writers.asked:
        if alone or each.wanted.target or not library.memories.has_vector(memory_id):
            embedded |= _embed_by(library.store, memory_id, each, settings.embedding, storing)
    return embedded


def _embed_by(store: Store, memory_id: str, writer: Writer, configured: EmbeddingSettings, storing: Storing) -> bool:
    teller = storing.teller
    try:
        embedder = storing.make(writer.settings, local_ties(writer.settings, witness_in(store), teller.note))
        tools = SweepTools(SystemClock(), Stop(), lambda _: None)
        filled = renew(Filling(store, embedder, "store", tools, writer.require), memory_id)
    except VECTOR_ERRORS as error:
        tell_stored_without("a vector", error, store, configured, teller, wanted=writer.wanted)
        return False
    for each in filled.left:
        teller.warn(f"stored without {writer.wanted.named('a vector')}: {each.message.rstrip('.')}.")
    return not filled.left and not filled.raced
