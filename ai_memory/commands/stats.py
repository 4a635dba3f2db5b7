"""`stats`: counts, spaces and sizes."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ai_memory.console import Console
from ai_memory.settings import Settings
from ai_memory.store.consistent import consistently
from ai_memory.store.counts import file_sizes, namespaces, spaces, totals
from ai_memory.store.open_options import OpenOptions
from ai_memory.store.opening import reading
from ai_memory.store.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no argument."""
    del parser


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Show what the file holds."""
    del args
    with reading(settings.db.value, options=OpenOptions(tell=console.note)) as store:
        read = consistently(store.db, lambda: (totals(store), spaces(store), len(namespaces(store))))
        counted, found, namespace_count = read
        sizes, version = file_sizes(store), store.schema.version
    values = {
        "db": str(settings.db.value),
        **asdict(counted),
        "namespaces": namespace_count,
        "spaces": [asdict(each) for each in found],
        **sizes,
        "schema_version": version,
    }
    lines = [
        f"{settings.db.value}: {counted.memories:,} memories ({counted.live:,} live) in {namespace_count:,} namespaces",
        f"vectors: {counted.with_vector:,}; encrypted: {counted.encrypted:,}; without id: {counted.without_id:,}",
        *(f"  {each.rows:,} of {printable(each.space or 'unknown space')}, {each.dim or '?'} wide" for each in found),
        f"size: {sizes['db_bytes']:,} bytes, write-ahead log {sizes['wal_bytes']:,} bytes",
    ]
    console.result(values, *lines)
    return 0
