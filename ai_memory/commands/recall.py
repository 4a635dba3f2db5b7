"""`recall`: search by words and by meaning."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from ai_memory.actions.query_lines import LONGEST, MAX_LIMIT, QueryLine
from ai_memory.commands.answer import DEFAULT_LIMIT, answer
from ai_memory.commands.arguments import named_path
from ai_memory.commands.choose_embedders import choose
from ai_memory.commands.known_witness import local_ties, witness_of
from ai_memory.commands.open_search import Doors, open_search
from ai_memory.commands.queries import answer_all
from ai_memory.commands.query_embedders import QueryEmbedders
from ai_memory.errors import UsageError
from ai_memory.memory.text_codec import is_text
from ai_memory.show.hits import hit_lines, hit_table
from ai_memory.stores.opening import reading

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console

STDIN = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the query, or where many of them are."""
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("query", nargs="?", metavar="QUERY", help="what to look for; - reads it from stdin")
    asked.add_argument(
        "--queries",
        type=named_path,
        metavar="FILE",
        help="answer each line of a file (- : stdin) with a JSON object: a text, or a JSON object with query, id, …",
    )
    parser.add_argument("-n", "--namespace", metavar="NS", help="only this namespace; NS/*: all below it")
    parser.add_argument(
        "--limit", type=int, default=DEFAULT_LIMIT, metavar="N", help=f"memories to show, default: {DEFAULT_LIMIT}"
    )


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Show the memories that fit best; without a working embedder, by words alone.

    Raises:
        UsageError: the limit is out of range, or the query is blank, not UTF-8, or too long.
        NotFound: the namespace was never seen.
    """
    if not 1 <= args.limit <= MAX_LIMIT:
        raise UsageError(f"--limit is {args.limit}.", tip=f"Give a number from 1 to {MAX_LIMIT:,}.")
    witness = witness_of(lambda: reading(settings.db.value))
    ties = partial(local_ties, witness=witness, tell=console.note)
    doors = Doors(
        lambda: reading(settings.db.value, tell=console.note),
        lambda library: choose(library.store, settings),
        lambda chosen: QueryEmbedders.of(chosen, ties),
    )
    if args.queries:
        with open_search(doors) as search:
            return answer_all(args, search, console)
    query = QueryLine(0, _text(args.query), args.namespace, args.limit)
    with open_search(doors) as search:
        found = answer(search.library, search.embedders, query)
    found.tell(console)
    hits = found.found.hits
    console.memories(found.values(), *hit_lines(hits), tables=[hit_table(hits)])
    return 0


def _text(given: str) -> str:
    """Return the query that is given, or read from stdin.

    Raises:
        UsageError: it is blank, not UTF-8, or too long.
    """
    query = _stdin() if given == STDIN else given
    if not query.strip():
        raise UsageError("The query is blank.", tip="Say what to look for.")
    if not is_text(query):
        raise UsageError("The query is not valid UTF-8.", tip="Type it in UTF-8.")
    return query


def _stdin() -> str:
    read = sys.stdin.buffer.read(LONGEST + 1)
    if len(read) > LONGEST:
        raise UsageError(f"The query is longer than {LONGEST:,} bytes.", tip="Ask with a part of it.")
    return read.decode("utf-8", "surrogateescape")
