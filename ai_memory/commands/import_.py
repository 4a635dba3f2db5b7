"""`import`: memories of a file, all or none of them, then their vectors."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ai_memory.actions.backfill import Filled
from ai_memory.actions.import_file import FileImport, Imported
from ai_memory.actions.ingest import Outcome, Put
from ai_memory.clock import SystemClock
from ai_memory.commands.altered import warn_of_altered
from ai_memory.commands.arguments import named_path
from ai_memory.commands.embedding import EMBEDDER_ERRORS, fill, tell_stored_without, warn_of_rows
from ai_memory.errors import DataRefused, NotFound
from ai_memory.memory.exchange import Parsed, parse
from ai_memory.memory.records import OF_VECTOR, Draft
from ai_memory.memory.text_codec import printable
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import writing
from ai_memory.stores.sqlite.links import Links
from ai_memory.stores.sqlite.memories import Memories, has_vector
from ai_memory.text.amounts import counted
from ai_memory.text.cleaning import one_line
from ai_memory.text.json_file import may_begin

if TYPE_CHECKING:
    from ai_memory.config.embedding import EmbeddingSettings
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.sqlite.store import Store

STDIN = Path("-")
PIECE = 2**20
MAX_BYTES = 2**30
"""A file is parsed in memory; an endless one (a device, a pipe) must end somewhere."""
NAMED = 20
EMBEDDED = "embedded"
"""A key that `get --json` adds to the columns of a memory."""


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
    configured = None if args.no_embed else settings.embedding
    source = "stdin" if args.file == STDIN else str(args.file)
    parsed = parse(_read(args.file, source), source)
    if parsed.refused and not args.skip_invalid:
        raise parsed.refused[0]
    clock = SystemClock()
    options = OpenOptions(tell=console.note)
    with writing(settings.db.value, now_ms=clock.now_ms(), create=True, options=options) as store:
        memories, links = Memories.of(store), Links.of(store)
        taken = FileImport(store, memories, links, clock.now_ms(), args.skip_invalid).take(parsed)
        _tell_ignored(parsed, memories, links, console)
        lacking = _lacking(store, taken.stored)
        filled = _embed(store, lacking, configured, console) if lacking and configured else Filled()
        missing = len(_lacking(store, taken.stored))
    _tell_left_out(taken, console)
    _report(taken, filled, missing, store, console)
    return 0


def _read(name: Path, source: str) -> bytes:
    try:
        if name == STDIN:
            return _whole(sys.stdin.buffer, source)
        with name.open("rb") as file:
            return _whole(file, source)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {name}.", tip="Name another, or - for stdin.") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataRefused(f"{source} cannot be read: {why}.", tip="Name another file.") from error


def _whole(file: BinaryIO, source: str) -> bytes:
    read = bytearray(file.read(PIECE))
    begun = may_begin(read)
    # Nothing follows that could mend a beginning that is not JSON: a device of zeros is not read to its end.
    while begun and (piece := file.read(PIECE)):
        read += piece
        if len(read) > MAX_BYTES:
            raise DataRefused(f"{source} is longer than {MAX_BYTES // 2**20:,} MiB.", tip="Import it in parts.")
    return bytes(read)


def _tell_ignored(parsed: Parsed, memories: Memories, links: Links, console: Console) -> None:
    _ignored(parsed.memories, {*memories.columns, *OF_VECTOR, EMBEDDED}, "columns", console)
    if links.kept:
        _ignored(parsed.links, links.rows.columns.keys(), "columns of links", console)


def _ignored(drafts: Iterable[Draft], known: Iterable[str], what: str, console: Console) -> None:
    given = {name for draft in drafts for name, value in draft.values.items() if value is not None}
    if ignored := sorted(given - set(known)):
        more = f" and {len(ignored) - NAMED:,} more" if len(ignored) > NAMED else ""
        told = ", ".join(map(one_line, ignored[:NAMED])) + more
        console.warn(f"left out, because this database has no such {what}: {told}.")


def _lacking(store: Store, stored: Iterable[Put]) -> list[str]:
    return [each.id for each in stored if each.id is not None and not has_vector(store, each.id)]


def _embed(store: Store, ids: list[str], configured: EmbeddingSettings, console: Console) -> Filled:
    total = Filled()
    try:
        fill(store, ids, configured, console, origin="import", filled=total)
    except EMBEDDER_ERRORS as error:
        tell_stored_without("vectors", error, console)
    warn_of_rows(total.left, console)
    return total


def _tell_left_out(taken: Imported, console: Console) -> None:
    for refusal in taken.refused[:NAMED]:
        console.warn(f"left out: {printable(refusal.what)}")
    if len(taken.refused) > NAMED:
        console.warn(f"left out: {len(taken.refused) - NAMED:,} more; --json names them.")
    if taken.links_unkept:
        left = counted(taken.links_unkept, "link was", "links were")
        console.warn(f"{left} left out: this database has no table memory_links.")
    warn_of_altered([each.altered for each in taken.stored], "memory", console)
    warn_of_altered(taken.altered, "link", console)
    for each in taken.stored:
        if each.outcome is Outcome.KEPT_ENCRYPTED:
            console.warn(f"{printable(each.id or '')} is encrypted in this database and was kept as it is.")


def _report(taken: Imported, filled: Filled, missing: int, store: Store, console: Console) -> None:
    counts = Counter(each.outcome for each in taken.stored)
    outcomes = {outcome.value: counts[outcome] for outcome in Outcome}
    left_out = {"skipped": len(taken.refused), "left_out": [refusal.what for refusal in taken.refused]}
    vectors = {
        "vectors": filled.embedded,
        "without_vector": missing,
        "embedded": missing == 0,
        "new_database": store.created,
    }
    values = {"total": len(taken.stored), **outcomes, "links": taken.links, **left_out, **vectors}
    told = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in outcomes.items() if number)
    text = f"{counted(len(taken.stored), 'memory')}: {told or 'none'}"
    text += f"; {counted(taken.links, 'link')}" if taken.links else ""
    text += f"; {len(taken.refused):,} left out" if taken.refused else ""
    console.result(values, f"{text}; {filled.embedded:,} embedded, {missing:,} without a vector.")
