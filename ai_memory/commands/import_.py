"""`import`: memories of a file, all or none of them, then their vectors."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO

from ai_memory.actions.backfill import fill
from ai_memory.actions.filled import Filled, Unfilled
from ai_memory.actions.import_file import FileImport
from ai_memory.clock import SystemClock
from ai_memory.commands.arguments import named_path
from ai_memory.commands.choose_embedders import choose_for
from ai_memory.commands.choose_writers import choose_writers
from ai_memory.commands.embedder_errors import VECTOR_ERRORS
from ai_memory.commands.filling import filling
from ai_memory.commands.import_report import report, tell_ignored, tell_left_out
from ai_memory.commands.input_lines import opened, shown_name
from ai_memory.commands.interrupts import telling
from ai_memory.commands.without_vectors import (
    is_in_doubt,
    namespaces_of,
    stored_by_then,
    tell_stored_without,
    tell_unknown,
    tell_unproven,
    warn_of_rows,
)
from ai_memory.errors import DataRefused
from ai_memory.memory.exchange import parse
from ai_memory.stores.opening import reading, writing
from ai_memory.text.json_file import may_begin

if TYPE_CHECKING:
    from pathlib import Path

    from ai_memory.actions.ingest import Put
    from ai_memory.commands.choose_writers import Writer
    from ai_memory.commands.interrupts import Interrupts
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.memory.exchange import Parsed
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_port import Library, WritableLibrary

PIECE = 2**20
MAX_BYTES = 2**30
"""A file is parsed in memory; an endless one (a device, a pipe) must end somewhere."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file."""
    parser.add_argument(
        "file", metavar="FILE", type=named_path, help="JSON Lines or ai-memory's export JSON; - reads stdin"
    )
    parser.add_argument("--no-embed", action="store_true", help="store the texts only; backfill embeds them later")
    parser.add_argument("--skip-invalid", action="store_true", help="leave out what cannot be stored, and say what")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Import the file; an embedder that fails costs a warning, never the texts.

    Raises:
        EmbedderInitFailed: the embedder's configuration makes no sense; nothing is stored.
        NotFound: there is no such file.
        DataRefused: something in it cannot be stored, and --skip-invalid is not given; then nothing of it is.
    """
    wanted = None if args.no_embed else settings
    configured = wanted.embedding if wanted else None
    source = shown_name(args.file)
    parsed = parse(_read(args.file, source), source)
    if parsed.refused and not args.skip_invalid:
        raise parsed.refused[0]
    path, done = settings.db.value, list[str]()
    with telling(lambda: stored_by_then(lambda: reading(path), done, configured)) as interrupts:
        _import(parsed, args, path, wanted, console, interrupts, done)
    return 0


def _import(
    parsed: Parsed,
    args: argparse.Namespace,
    path: Path,
    wanted: Settings | None,
    console: Console,
    interrupts: Interrupts,
    done: list[str],
) -> None:
    """Import a file and show the result, with vectors if they are `wanted`; `done` is told of the ids once stored."""
    clock = SystemClock()
    with writing(path, now_ms=clock.now_ms(), create=True, tell=console.note) as library:
        taken = FileImport(library, clock.now_ms(), args.skip_invalid, interrupts.hold).take(parsed)
        done += [each.id for each in taken.stored if each.id is not None]
        interrupts.release()
        tell_ignored(parsed, library, console)
        filled = _filled(library, taken.stored, wanted, console) if wanted else Filled()
        missing, created = len(_lacking(library, taken.stored)), library.about.created
    tell_left_out(taken, console)
    report(taken, filled, missing, console, created=created)


def _read(name: Path, source: str) -> bytes:
    with opened(name) as file:
        return _whole(file, source)


def _whole(file: BinaryIO, source: str) -> bytes:
    read = bytearray(file.read(PIECE))
    begun = may_begin(read)
    # Nothing follows that could mend a beginning that is not JSON: a device of zeros is not read to its end.
    while begun and (piece := file.read(PIECE)):
        read += piece
        if len(read) > MAX_BYTES:
            raise DataRefused(f"{source} is longer than {MAX_BYTES // 2**20:,} MiB.", tip="Import it in parts.")
    return bytes(read)


def _lacking(library: Library, stored: Iterable[Put]) -> list[str]:
    return [each.id for each in stored if each.id is not None and not library.memories.has_vector(each.id)]


def _filled(library: WritableLibrary, stored: Sequence[Put], settings: Settings, console: Console) -> Filled:
    """Have the memories embedded by whoever is to; return what became of those of which most were."""
    ids = [each.id for each in stored if each.id is not None]
    writers = choose_writers(library.store, settings, choose_for, lambda: namespaces_of(library, ids))
    tell_unknown(writers, library.store, settings.embedding, console)
    filled = [_embed(library, stored, each, settings.embedding, console) for each in writers.asked]
    told = set[Unfilled]()
    for writer, found in zip(writers.asked, filled, strict=True):
        warn_of_rows([each for each in found.left if each not in told], console, writer.wanted.named("vector"))
        told.update(found.left)
    return max(filled, key=lambda each: each.embedded)


def _embed(
    library: WritableLibrary, stored: Sequence[Put], writer: Writer, configured: EmbeddingSettings, console: Console
) -> Filled:
    store, total, over = library.store, Filled(), writer.wanted.target is not None
    ids = [each.id for each in stored if each.id is not None] if over else _lacking(library, stored)
    if not ids and not is_in_doubt(store, writer.settings):
        return total
    try:
        with filling(
            store, writer.settings, console, origin="import", total=len(ids), require=writer.require, over=over
        ) as (made, workers):
            fill(made, ids, workers, total, batch=writer.settings.batch.value)
    except VECTOR_ERRORS as error:
        if ids:
            tell_stored_without("vectors", error, store, configured, console, wanted=writer.wanted)
        else:
            tell_unproven(error, store, configured, console)
    return total
