"""`stats`: counts, spaces and sizes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.actions.held import held
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
        found = held(library)
    total, sizes = found.totals, found.sizes
    namespaces = counted(found.namespaces, "namespace")
    memories = f"{counted(total.memories, 'memory')} ({total.live:,} live) in {namespaces}"
    vectors = f"{total.with_vector:,}; encrypted: {total.encrypted:,}; without id: {total.without_id:,}"
    spaces = [
        f"{each.rows:,} of {printable(each.space or 'unknown space')}, {each.dim or '?'} wide" for each in found.spaces
    ]
    size = f"{counted(sizes.db_bytes, 'byte')}, write-ahead log {counted(sizes.wal_bytes, 'byte')}"
    several = Tone.WAITS if len(spaces) > 1 else Tone.PLAIN
    table = facts(
        ("file", str(settings.db.value), Tone.PLAIN),
        ("memories", memories, Tone.PLAIN),
        ("vectors", vectors, Tone.PLAIN),
        *(("", each, several) for each in spaces),
        ("size", size, Tone.PLAIN),
    )
    lines = [
        f"{settings.db.value}: {memories}",
        f"vectors: {vectors}",
        *(f"  {each}" for each in spaces),
        f"size: {size}",
    ]
    console.result({"db": str(settings.db.value), **found.values()}, *lines, tables=[table])
    return 0
