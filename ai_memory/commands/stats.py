"""`stats`: counts, spaces and sizes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.actions.held import held
from ai_memory.memory.text_codec import printable
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
    spaces = [
        f"  {each.rows:,} of {printable(each.space or 'unknown space')}, {each.dim or '?'} wide"
        for each in found.spaces
    ]
    lines = [
        f"{settings.db.value}: {counted(total.memories, 'memory')} ({total.live:,} live) in {namespaces}",
        f"vectors: {total.with_vector:,}; encrypted: {total.encrypted:,}; without id: {total.without_id:,}",
        *spaces,
        f"size: {counted(sizes.db_bytes, 'byte')}, write-ahead log {counted(sizes.wal_bytes, 'byte')}",
    ]
    console.result({"db": str(settings.db.value), **found.values()}, *lines)
    return 0
