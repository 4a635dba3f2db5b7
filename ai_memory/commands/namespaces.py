"""`namespaces`: each with its counts."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable
from ai_memory.show.table import Cell, Table, Tone
from ai_memory.stores.opening import reading
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_values import NamespaceCount


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no argument."""
    del parser


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Show the namespaces in SQLite's order."""
    del args
    with reading(settings.db.value) as library:
        found = library.counts.namespaces()
    lines = map(_line, found) if found else ["No memories."]
    tables = [_table(found)] if found else None
    console.memories({"namespaces": [asdict(each) for each in found]}, *lines, tables=tables)
    return 0


def _table(found: Sequence[NamespaceCount]) -> Table:
    rows = [
        (
            Cell(printable(each.namespace)),
            Cell(f"{each.memories:,}"),
            Cell(f"{each.live:,}"),
            Cell(f"{each.with_vector:,}", Tone.WAITS if each.with_vector < each.live else Tone.PLAIN),
        )
        for each in found
    ]
    return Table(("namespace", "memories", "live", "with a vector"), tuple(rows), wide=0, right=frozenset({1, 2, 3}))


def _line(each: NamespaceCount) -> str:
    numbers = f"{counted(each.memories, 'memory')}, {each.live:,} live, {each.with_vector:,} with a vector"
    return f"{printable(each.namespace)}  {numbers}"
