"""`stats`: counts, spaces and sizes."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

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
    lines = [
        f"{settings.db.value}: {held}",
        f"vectors: {total.with_vector:,}; encrypted: {total.encrypted:,}; without id: {total.without_id:,}",
        *(f"  {each.rows:,} of {printable(each.space or 'unknown space')}, {each.dim or '?'} wide" for each in found),
        f"size: {counted(sizes.db_bytes, 'byte')}, write-ahead log {counted(sizes.wal_bytes, 'byte')}",
    ]
    console.result(values, *lines)
    return 0
