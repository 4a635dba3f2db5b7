"""`stats`: counts, spaces and sizes."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable
from ai_memory.show.table import Tone, facts
from ai_memory.stores.opening import reading
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no argument."""
    del parser


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Show what the file holds."""
    del args
    with reading(settings.db.value, tell=console.note) as library:
        counts = library.counts
        read = library.store.consistently(lambda _: (counts.totals(), counts.spaces(), len(counts.namespaces())))
        total, found, namespace_count = read
        sizes, version = library.about.sizes(), library.about.version
    values = {
        "db": str(settings.db.value),
        **asdict(total),
        "namespaces": namespace_count,
        "spaces": [asdict(each) for each in found],
        **asdict(sizes),
        "schema_version": version,
    }
    held = f"{counted(total.memories, 'memory')} ({total.live:,} live) in {counted(namespace_count, 'namespace')}"
    vectors = f"{total.with_vector:,}; encrypted: {total.encrypted:,}; without id: {total.without_id:,}"
    spaces = [f"{each.rows:,} of {printable(each.space or 'unknown space')}, {each.dim or '?'} wide" for each in found]
    size = f"{counted(sizes.db_bytes, 'byte')}, write-ahead log {counted(sizes.wal_bytes, 'byte')}"
    several = Tone.WAITS if len(spaces) > 1 else Tone.PLAIN
    table = facts(
        ("file", str(settings.db.value), Tone.PLAIN),
        ("memories", held, Tone.PLAIN),
        ("vectors", vectors, Tone.PLAIN),
        *(("", each, several) for each in spaces),
        ("size", size, Tone.PLAIN),
    )
    lines = [
        f"{settings.db.value}: {held}",
        f"vectors: {vectors}",
        *(f"  {each}" for each in spaces),
        f"size: {size}",
    ]
    console.result(values, *lines, tables=[table])
    return 0
