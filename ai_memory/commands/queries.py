"""`recall --queries`: many queries in one process, each answered before the next one is read."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.actions.query_lines import LONGEST, QueryLine, parse_query
from ai_memory.commands.answer import Answer, answer
from ai_memory.commands.failure import failure
from ai_memory.commands.input_lines import lines, shown_name
from ai_memory.commands.teller import Notes, Once
from ai_memory.errors import DataRefused, NotFound, WordIndexUnusable

if TYPE_CHECKING:
    from ai_memory.commands.open_search import OpenSearch
    from ai_memory.errors import AiMemoryError
    from ai_memory.show.console import Console


def answer_all(args: argparse.Namespace, search: OpenSearch, console: Console) -> int:
    """Answer each line of a file with one JSON object on one line, and return the exit code of the first that failed.

    Raises:
        NotFound: there is no such file.
        DataRefused: it, or the database, cannot be read.
    """
    code, told = 0, Once(console)
    for number, raw in lines(args.queries, longest=LONGEST):
        found: Answer | AiMemoryError
        try:
            query = parse_query(raw, number, shown_name(args.queries))
        except DataRefused as error:
            query, found = QueryLine(number, ""), error
        else:
            found = _answered(search, _completed(query, args))
        if isinstance(found, Answer):
            notes = Notes()
            found.tell(notes)
            found.tell(told)
            console.answer({"id": query.id, **found.values()}, {"notes": notes.texts})
        else:
            code = code or found.exit_code
            told.warn(found.line())
            console.answer({"id": query.id}, failure(found, console.hints))
    return code


def _answered(search: OpenSearch, query: QueryLine) -> Answer | AiMemoryError:
    """Return the answer, or an error that is this query's alone."""
    search.follow()
    try:
        return answer(search.library, search.embedders, query)
    except (NotFound, WordIndexUnusable) as error:
        return error


def _completed(query: QueryLine, args: argparse.Namespace) -> QueryLine:
    namespace = args.namespace if query.namespace is None else query.namespace
    return replace(query, namespace=namespace, limit=query.limit or args.limit)
