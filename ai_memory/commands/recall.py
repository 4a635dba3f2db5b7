"""`recall`: search by words and by meaning."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.actions.recall import Query, recall
from ai_memory.commands.choose_embedders import choose
from ai_memory.commands.left_out import tell_left_out, tell_unasked
from ai_memory.commands.query_embedders import QueryEmbedders
from ai_memory.errors import UsageError
from ai_memory.memory.text_codec import is_text, printable, readable
from ai_memory.stores.opening import reading

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.memory.records import Hit
    from ai_memory.show.console import Console

MAX_LIMIT = 10_000
SHOWN = 200
BY_WORDS = "words"
"""Stands for the cosine of a memory that has none to show, because only its words were found."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the query."""
    parser.add_argument("query", metavar="QUERY")
    parser.add_argument("-n", "--namespace", metavar="NS", help="only this namespace; NS/*: all below it")
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="memories to show, default: 10")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Show the memories that fit best; without a working embedder, by words alone.

    Raises:
        UsageError: the limit is out of range, or the query is blank or not UTF-8.
        NotFound: the namespace was never seen.
    """
    if not 1 <= args.limit <= MAX_LIMIT:
        raise UsageError(f"--limit is {args.limit}.", tip=f"Give a number from 1 to {MAX_LIMIT:,}.")
    if not args.query.strip():
        raise UsageError("The query is blank.", tip="Say what to look for.")
    if not is_text(args.query):
        raise UsageError("The query is not valid UTF-8.", tip="Type it in UTF-8.")
    with reading(settings.db.value, tell=console.note) as library:
        library.listing.require_found(args.namespace)
        chosen = choose(library.store, settings)
        asked = QueryEmbedders(chosen.choices, chosen.refused, chosen.known).ask(args.query)
        found = recall(library, Query(args.query, asked.vectors, args.namespace, args.limit))
    tell_unasked(asked, console)
    tell_left_out(found, asked, console)
    if found.without_words:
        console.warn(f"searching by meaning alone: {found.without_words.line()}")
    by = "words" if not asked.vectors else "meaning" if found.without_words else "words and meaning"
    left_out = {reason.name.lower(): count for reason, count in found.left_out.items()}
    memories = [_values(hit) for hit in found.hits]
    values = {"query": args.query, "by": by, "memories": memories, "left_out": left_out, "unproven": found.unproven}
    lines = [line for hit in found.hits for line in _shown(hit)]
    console.memories(values, *(lines or ["Nothing found."]))
    return 0


def _values(hit: Hit) -> dict[str, object]:
    return {**asdict(hit), "score": round(hit.score, 4), "cosine": None if hit.cosine is None else round(hit.cosine, 4)}


def _shown(hit: Hit) -> list[str]:
    content = hit.content if len(hit.content) <= SHOWN else f"{hit.content[:SHOWN]}…"
    place = f"{printable(hit.namespace)}  {printable(hit.title)}  ({printable(hit.id or 'no id')})"
    # Not the score: what orders one answer is not a likeness, and would be read as one.
    nearness = BY_WORDS if hit.cosine is None else f"{hit.cosine:.2f}"
    return [
        f"{nearness:<{len(BY_WORDS)}} {place}",
        *(f"      {line}" for line in readable(content).strip().split("\n")),
    ]
