"""Files of queries, and of what people said of the answers to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ai_memory.actions.judgements import Judgements, parse_judgements
from ai_memory.actions.query_lines import LONGEST, QueryLine, parse_query
from ai_memory.commands.input_lines import STDIN, lines, shown_name
from ai_memory.errors import DataRefused, UsageError


def read_queries(path: Path) -> list[QueryLine]:
    """Return the queries of a file.

    Raises:
        NotFound: there is no such file.
        DataRefused: a line is not a query, or two have one id.
    """
    queries = [parse_query(raw, number, shown_name(path)) for number, raw in lines(path, longest=LONGEST)]
    twice = [name for name, count in Counter(str(each.id) for each in queries).items() if count > 1]
    if twice:
        raise DataRefused(f"{shown_name(path)} has two queries of the id {twice[0]}.", tip="Give each its own id.")
    return queries


def read_judged(queries_at: Path, judgements_at: Path) -> tuple[list[QueryLine], Judgements]:
    """Return the queries of one file, and the judgements of another.

    Raises:
        UsageError: both are stdin.
        NotFound: there is no such file.
        DataRefused: a line is not what it should be, or no query has a judgement.
    """
    if queries_at == judgements_at == STDIN:
        raise UsageError("Queries and judgements cannot both come from stdin.", tip="Name a file for one of them.")
    judged = parse_judgements(lines(judgements_at, longest=LONGEST), shown_name(judgements_at))
    queries = read_queries(queries_at)
    if not with_judgement(queries, judged):
        what = f"No query of {shown_name(queries_at)} has a judgement in {shown_name(judgements_at)}."
        raise DataRefused(what, tip="Both name a query by its id, which is its line number where it has none.")
    return queries, judged


def with_judgement(queries: Sequence[QueryLine], judged: Judgements) -> list[QueryLine]:
    """Return the queries for which some memory has a gain."""
    return [each for each in queries if any(judged.get(str(each.id), {}).values())]
