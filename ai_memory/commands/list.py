"""`list`: one line per memory."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.commands.arguments import past_time, whole_number
from ai_memory.memory.text_codec import printable
from ai_memory.show.table import Cell, Table, Tone
from ai_memory.stores.memory_values import Order, Selection
from ai_memory.stores.opening import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_values import Summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is listed, and in which order."""
    parser.add_argument("-n", "--namespace", metavar="NS", help="only this namespace; NS/*: all below it")
    parser.add_argument(
        "--tag", action="append", metavar="TAG", help="only what has this tag (repeatable: all of them)"
    )
    parser.add_argument(
        "--since",
        type=past_time,
        metavar="TIME",
        help="only what was changed since: a day like 2026-03-01, RFC 3339, or how long ago, like 7d",
    )
    parser.add_argument(
        "--sort",
        choices=[each.value for each in Order],
        default=Order.STORED.value,
        metavar="ORDER",
        help=f"{', '.join(each.value for each in Order)}; created and updated: the latest first (default: %(default)s)",
    )
    parser.add_argument("--limit", type=whole_number(1, 10**9), metavar="N", help="the first N only")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """List the memories that are asked for.

    Raises:
        NotFound: the namespace was never seen.
    """
    selection = Selection(tuple(args.tag or ()), args.since, Order(args.sort), args.limit)
    with reading(settings.db.value) as library:
        listing = library.listing
        listing.require_found(args.namespace)
        # All of them before the first is shown: whoever pages through them keeps no writer waiting.
        found = library.store.consistently(lambda _: list(listing.summaries(args.namespace, selection)))
    if console.json:
        memories = [asdict(each) for each in found]
        console.memories({"memories": memories, "count": len(memories)})
    else:
        console.memories({}, *map(_line, found), tables=map(_table, [found]))
    return 0


def _table(found: Sequence[Summary]) -> Table:
    rows = [
        (
            Cell(printable(each.id or "(no id)"), Tone.FAINT),
            Cell(printable(each.namespace)),
            Cell(printable(each.title), Tone.PLAIN if each.live else Tone.FAINT),
            Cell(", ".join(_marks(each)), Tone.WAITS),
        )
        for each in found
    ]
    return Table(("id", "namespace", "title", ""), tuple(rows), wide=2)


def _marks(each: Summary) -> list[str]:
    return [*(["not live"] if not each.live else []), *(["no vector"] if not each.has_vector else [])]


def _line(each: Summary) -> str:
    marks = _marks(each)
    marked = f"  ({', '.join(marks)})" if marks else ""
    return f"{printable(each.id or '(no id)')}  {printable(each.namespace)}  {printable(each.title)}{marked}"
