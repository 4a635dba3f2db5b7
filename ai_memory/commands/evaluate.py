"""`evaluate`: how good search is in the file as it stands, by queries whose right answers are known."""

from __future__ import annotations

import argparse
from collections import Counter
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from ai_memory.actions.measure import DEPTH, ndcg, reciprocal_rank
from ai_memory.actions.query_lines import QueryLine
from ai_memory.commands.answer import answer
from ai_memory.commands.arguments import named_path
from ai_memory.commands.choose_embedders import choose
from ai_memory.commands.known_witness import local_ties, witness_of
from ai_memory.commands.open_search import Doors, OpenSearch, open_search
from ai_memory.commands.query_embedders import QueryEmbedders
from ai_memory.commands.query_files import read_judged, with_judgement
from ai_memory.commands.teller import Once
from ai_memory.stores.opening import reading
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.actions.judgements import Judgements
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the queries and their right answers."""
    parser.add_argument(
        "--queries", type=named_path, required=True, metavar="FILE", help="queries, as recall --queries takes them"
    )
    parser.add_argument(
        "--judgements",
        type=named_path,
        required=True,
        metavar="FILE",
        help="lines of a query's id, a memory's id and a gain, with tabs between them",
    )
    parser.add_argument("-n", "--namespace", metavar="NS", help="only this namespace; NS/*: all below it")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Ask the queries that have a judgement, and show nDCG@10 and MRR@10.

    Raises:
        NotFound: there is no such file, or a namespace was never seen.
        DataRefused: a line of a file is not what it should be, or no query has a judgement.
    """
    queries, judged = read_judged(args.queries, args.judgements)
    wanted = with_judgement(queries, judged)
    witness = witness_of(lambda: reading(settings.db.value))
    ties = partial(local_ties, witness=witness, tell=console.note)
    doors = Doors(
        lambda: reading(settings.db.value, tell=console.note),
        lambda library: choose(library.store, settings),
        lambda chosen: QueryEmbedders.of(chosen, ties),
    )
    with open_search(doors) as search:
        search.library.listing.require_found(args.namespace)
        missing = sum(not search.library.memories.get(each) for each in _judged_memories(wanted, judged))
        gains, ways = _asked(search, wanted, judged, args.namespace, console)
    if missing:
        console.note(f"Judged and not in the database: {counted(missing, 'memory', 'memories')}.")
    _show(gains, ways, len(queries) - len(wanted), missing, console)
    return 0


def _judged_memories(queries: Sequence[QueryLine], judged: Judgements) -> set[str]:
    return {memory for each in queries for memory in judged[str(each.id)]}


def _asked(
    search: OpenSearch, queries: Sequence[QueryLine], judged: Judgements, namespace: str | None, console: Console
) -> tuple[list[tuple[float, float]], Counter[str]]:
    """Return nDCG and reciprocal rank of each query, and by what how many were searched."""
    figures, ways, once = [], Counter[str](), Once(console)
    for query in queries:
        search.follow()
        where = namespace if query.namespace is None else query.namespace
        found = answer(search.library, search.embedders, QueryLine(query.id, query.text, where, DEPTH))
        found.tell(once)
        ways[found.by] += 1
        known = judged[str(query.id)]
        gains = [known.get(hit.id or "", 0) for hit in found.found.hits]
        figures.append((ndcg(gains, known.values()), reciprocal_rank(gains)))
    return figures, ways


def _show(
    figures: Sequence[tuple[float, float]], ways: Counter[str], unjudged: int, missing: int, console: Console
) -> None:
    mean_ndcg, mean_rank = (fmean(each) for each in zip(*figures, strict=True))
    values = {
        "ndcg_at_10": round(mean_ndcg, 4),
        "mrr_at_10": round(mean_rank, 4),
        "queries": len(figures),
        "without_judgement": unjudged,
        "memories_missing": missing,
        "by": dict(ways),
    }
    by = ", ".join(f"{count:,} by {way}" for way, count in ways.items())
    console.result(values, f"nDCG@10  {mean_ndcg:.4f}", f"MRR@10   {mean_rank:.4f}", f"queries  {len(figures):,}: {by}")
