"""`import`: memories of a file, all or none of them, then their vectors."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ai_memory.clock import SystemClock
from ai_memory.commands.embedding import EMBEDDER_ERRORS, fill, warn_of_rows
from ai_memory.console import Console
from ai_memory.errors import DataRefused, NotFound
from ai_memory.exchange import NOT_STORED, parse
from ai_memory.intake import Filled, Outcome, Put, put
from ai_memory.records import Draft
from ai_memory.settings import Settings
from ai_memory.store.memories import Memories, has_vector
from ai_memory.store.opening import Store, writing
from ai_memory.store.text import printable

STDIN = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file."""
    parser.add_argument("file", metavar="FILE", type=Path, help="JSON Lines or ai-memory's export JSON; - reads stdin")
    parser.add_argument("--no-embed", action="store_true", help="store the texts only; backfill embeds them later")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Import the file; an embedder that fails costs a warning, never the texts.

    Raises:
        NotFound: there is no such file.
        DataRefused: something in it cannot be stored; then nothing of it is.
    """
    source = "stdin" if args.file == STDIN else str(args.file)
    drafts = parse(_read(args.file), source)
    clock = SystemClock()
    with writing(settings.db.value, now_ms=clock.now_ms(), create=True) as store:
        memories = Memories.of(store)
        stored = _put_all(memories, drafts, now_ms=clock.now_ms())
        _tell_ignored(drafts, memories, console)
        lacking = _lacking(store, stored)
        filled = _embed(store, lacking, settings, console) if lacking and not args.no_embed else Filled()
        missing = len(_lacking(store, stored))
    _report(stored, filled, missing, console)
    return 0


def _read(name: Path) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read()
    try:
        return name.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {name}.", tip="Name another, or - for stdin.") from error
    except OSError as error:
        raise DataRefused(f"{name} cannot be read: {error.strerror}.", tip="Name another file.") from error


def _put_all(memories: Memories, drafts: list[Draft], *, now_ms: int) -> list[Put]:
    with memories.store.db.transaction():
        memories.defer_references()
        before = set(memories.orphans())
        stored = [put(memories, draft, now_ms=now_ms, source="import") for draft in drafts]
        if orphans := sorted(set(memories.orphans()) - before):
            raise DataRefused(
                f"The memory {printable(orphans[0])} is an atom of one that is not in file or database.",
                tip="Add it to the file; nothing was imported.",
            )
    return stored


def _tell_ignored(drafts: Iterable[Draft], memories: Memories, console: Console) -> None:
    given = {name for draft in drafts for name in draft.values}
    if ignored := sorted(given - memories.columns.keys() - NOT_STORED):
        console.note(f"Ignored, as this database has no such columns: {', '.join(map(printable, ignored))}.")


def _lacking(store: Store, stored: Iterable[Put]) -> list[str]:
    return [each.id for each in stored if not has_vector(store, each.id)]


def _embed(store: Store, ids: list[str], settings: Settings, console: Console) -> Filled:
    total = Filled()
    try:
        for done in fill(store, ids, settings, console, origin="import"):
            total.add(done)
    except EMBEDDER_ERRORS as error:
        console.warn(f"stored without vectors: {error.line()} Later: ai-memory backfill.")
    warn_of_rows(total.left, console)
    return total


def _report(stored: list[Put], filled: Filled, missing: int, console: Console) -> None:
    counts = Counter(each.outcome for each in stored)
    for each in stored:
        if each.outcome is Outcome.KEPT_ENCRYPTED:
            console.warn(f"{printable(each.id)} is encrypted in this database and was kept as it is.")
    outcomes = {outcome.value: counts[outcome] for outcome in Outcome}
    values = {"total": len(stored), **outcomes, "vectors": filled.embedded, "without_vector": missing}
    told = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in outcomes.items() if number)
    text = f"{len(stored):,} memories: {told or 'none'}; {filled.embedded:,} embedded, {missing:,} without a vector."
    console.result({**values, "embedded": missing == 0}, text)
