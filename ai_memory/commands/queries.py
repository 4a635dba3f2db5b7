"""`recall --queries`: many queries in one process, each answered before the next one is read."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ai_memory.actions.query_lines import LONGEST, QueryLine, parse_query
from ai_memory.commands.answer import answer
from ai_memory.commands.input_lines import lines, shown_name
from ai_memory.errors import AiMemoryError, NotFound, UsageError, WordIndexUnusable

if TYPE_CHECKING:
    from ai_memory.commands.open_search import OpenSearch
    from ai_memory.show.console import Console

OF_ONE_QUERY = (UsageError, NotFound, WordIndexUnusable)
"""Errors that end a query, not those after it."""


@dataclass(slots=True)
class _Notes:
    """What is said of one answer."""

    texts: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.texts.append(text)

    def warn(self, text: str) -> None:
        self.texts.append(text)


@dataclass(slots=True)
class _Told:
    """The notes that people have seen: what holds for many queries is said once."""

    console: Console
    texts: set[str] = field(default_factory=set)

    def note(self, text: str) -> None:
        if text not in self.texts:
            self.console.note(text)
        self.texts.add(text)

    def warn(self, text: str) -> None:
        if text not in self.texts:
            self.console.warn(text)
        self.texts.add(text)


def answer_all(args: argparse.Namespace, search: OpenSearch, console: Console) -> int:
    """Answer each line of a file with one JSON object on one line, and return the exit code of the first that failed.

    Raises:
        NotFound: there is no such file.
        DataRefused: it, or the database, cannot be read.
    """
    code, told = 0, _Told(console)
    for number, raw in lines(args.queries, longest=LONGEST):
        query = QueryLine(number, "")
        try:
            query = parse_query(raw, number, shown_name(args.queries))
            search.follow()
            found, notes = answer(search.library, search.embedders, _completed(query, args)), _Notes()
        except OF_ONE_QUERY as error:
            code = code or error.exit_code
            told.warn(error.line())
            console.answer({"id": query.id}, _failure(error, console))
        else:
            found.tell(notes)
            found.tell(told)
            console.answer({"id": query.id, **found.values()}, {"notes": notes.texts})
    return code


def _completed(query: QueryLine, args: argparse.Namespace) -> QueryLine:
    namespace = args.namespace if query.namespace is None else query.namespace
    return replace(query, namespace=namespace, limit=query.limit or args.limit)


def _failure(error: AiMemoryError, console: Console) -> dict[str, object]:
    return {"error": error.line(), "exit_code": error.exit_code, "next": console.hints.command(error.tip)}
