"""`list`: one line per memory."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.memory.text_codec import printable
from ai_memory.stores.opening import reading

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_values import Summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the namespace."""
    parser.add_argument("-n", "--namespace", metavar="NS", help="only this namespace; NS/*: all below it")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """List the memories in the order they were stored.

    Raises:
        NotFound: the namespace was never seen.
    """
    with reading(settings.db.value) as library:
        listing = library.listing
        listing.require_found(args.namespace)
        # All of them before the first is shown: whoever pages through them keeps no writer waiting.
        found = library.store.consistently(lambda _: list(listing.summaries(args.namespace)))
    if console.json:
        memories = [asdict(each) for each in found]
        console.memories({"memories": memories, "count": len(memories)})
    else:
        for each in found:
            console.line(_line(each))
    return 0


def _line(each: Summary) -> str:
    marks = [*(["not live"] if not each.live else []), *(["no vector"] if not each.has_vector else [])]
    marked = f"  ({', '.join(marks)})" if marks else ""
    return f"{printable(each.id or '(no id)')}  {printable(each.namespace)}  {printable(each.title)}{marked}"
