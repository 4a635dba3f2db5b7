"""`store`: one memory, upsert on title and namespace, embedded with the resolved embedder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.actions.filling import Filling
from ai_memory.actions.ingest import Outcome, put
from ai_memory.actions.renew import renew
from ai_memory.clock import SystemClock
from ai_memory.commands.altered import warn_of_altered
from ai_memory.commands.choose_embedders import choose_for
from ai_memory.commands.choose_writers import choose_writers
from ai_memory.commands.draft import add_columns, draft_of
from ai_memory.commands.embedder_errors import EMBEDDER_ERRORS
from ai_memory.commands.interrupts import telling
from ai_memory.commands.known_witness import local_ties, witness_in
from ai_memory.commands.without_vectors import namespaces_of, stored_by_then, tell_stored_without, tell_unknown
from ai_memory.embed.assemble import assemble_interactive
from ai_memory.errors import UsageError
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.tools import SweepTools
from ai_memory.stores.opening import reading, writing

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.commands.choose_writers import Writer
    from ai_memory.commands.interrupts import Interrupts
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.memory.records import Draft
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_port import WritableLibrary
    from ai_memory.stores.port import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the columns of the memory, and whether it gets its vector now."""
    add_columns(parser)
    parser.add_argument("--no-embed", action="store_true", help="store the text only; backfill embeds it later")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Store the memory, then give it its vector; an embedder that fails costs a warning, never the text.

    Raises:
        EmbedderInitFailed: the embedder's configuration makes no sense; nothing is stored.
        UsageError: the memory breaks a rule, or is encrypted and cannot be replaced.
        DataRefused: the database does not take it, or a trigger undid it.
    """
    wanted = None if args.no_embed else settings
    configured = wanted.embedding if wanted else None
    draft, path, done = draft_of(args), settings.db.value, list[str]()
    with telling(lambda: stored_by_then(lambda: reading(path), done, configured)) as interrupts:
        return _store(draft, path, wanted, console, interrupts, done)


def _store(
    draft: Draft,
    path: Path,
    wanted: Settings | None,
    console: Console,
    interrupts: Interrupts,
    done: list[str],
) -> int:
    """Store the memory, and give it its vector if that is `wanted`; `done` is told of its id once it is stored."""
    clock = SystemClock()
    with writing(path, now_ms=clock.now_ms(), create=True, tell=console.note) as library:
        with library.transaction() as transaction:
            stored = put(transaction, draft, now_ms=clock.now_ms(), source="cli")
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
        warn_of_altered([stored.altered], "memory", console)
        _warn_of_plain(library, stored.id, console)
        embedded = wanted is not None and _embed(library, stored.id, wanted, console)
        without = "" if library.memories.has_vector(stored.id) else " without a vector"
    values = {
        "id": stored.id,
        "outcome": stored.outcome.value,
        "embedded": embedded,
        "new_database": library.about.created,
    }
    console.result(values, f"{stored.id}  {stored.outcome.value}{without}")
    return 0


def _warn_of_plain(library: WritableLibrary, memory_id: str, console: Console) -> None:
    """Tell who stores among encrypted memories that this one is not."""
    stored = library.memories.get(memory_id)
    if stored and library.counts.has_encrypted(stored.namespace):
        console.warn(
            f"stored in plain text: {printable(stored.namespace)} has encrypted memories; this program encrypts none."
        )


def _embed(library: WritableLibrary, memory_id: str, settings: Settings, console: Console) -> bool:
    """Have the memory embedded by whoever is to, and return whether one of them gave a vector."""
    writers = choose_writers(library.store, settings, choose_for, lambda: namespaces_of(library, [memory_id]))
    tell_unknown(writers, library.store, settings.embedding, console)
    # Where only one is asked, a vector of another model is replaced.
    alone, embedded = len(writers.asked) == 1, False
    for each in writers.asked:
        if alone or each.wanted.target or not library.memories.has_vector(memory_id):
            embedded |= _embed_by(library.store, memory_id, each, settings.embedding, console)
    return embedded


def _embed_by(store: Store, memory_id: str, writer: Writer, configured: EmbeddingSettings, console: Console) -> bool:
    try:
        embedder = assemble_interactive(writer.settings, local_ties(writer.settings, witness_in(store), console.note))
        tools = SweepTools(SystemClock(), Stop(), lambda _: None)
        filled = renew(Filling(store, embedder, "store", tools, writer.require), memory_id)
    except EMBEDDER_ERRORS as error:
        tell_stored_without("a vector", error, store, configured, console, wanted=writer.wanted)
        return False
    for each in filled.left:
        console.warn(f"stored without {writer.wanted.named('a vector')}: {each.message.rstrip('.')}.")
    return not filled.left and not filled.raced
