"""`reembed rehearse`: tries the configured target on a sample, and says what would change; nothing is written."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.actions.rehearse import Compared, Quality, Titled, compare_by_titles, compare_searches, untitled
from ai_memory.actions.sample import Sample, Taken, draw, embed_sample, judged_first
from ai_memory.clock import SystemClock
from ai_memory.commands.choose_embedders import choose
from ai_memory.commands.query_embedders import QueryEmbedders
from ai_memory.commands.query_files import read_judged, read_queries, with_judgement
from ai_memory.commands.reembed.both_embedders import BothEmbedders
from ai_memory.commands.reembed.rehearsal import Asked, Rehearsal, show
from ai_memory.commands.with_keys import database, reading
from ai_memory.embed.assemble import assemble, configured_target, token_counter
from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import embedded_of
from ai_memory.embed.port import RetryPolicy
from ai_memory.embed.terms import Terms, Ties
from ai_memory.errors import UsageError
from ai_memory.frozen import Frozen
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.ask_target import ask_target
from ai_memory.reembed.plan.dry_run import dry_run
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ai_memory.actions.judgements import Judgements
    from ai_memory.actions.query_lines import QueryLine
    from ai_memory.actions.rehearse import Question
    from ai_memory.config.settings import Settings
    from ai_memory.memory.freshness import Document
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_port import Library


class _Files(Frozen):
    """Queries, those that somebody judged where `judged` says what is right; none where titles are to serve."""

    queries: tuple[QueryLine, ...] = ()
    judged: Judgements | None = None


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Embed a sample by the configured target, and show how it would be found and what all rows would take.

    Raises:
        UsageError: there are judgements of no queries.
        NotFound, DataRefused: a file, or a namespace of a query, is not there or not what it should be.
        AiMemoryError: the target's, as a run would end with it.
    """
    files = _read(args)
    with reading(settings, console.note) as library:
        for namespace in dict.fromkeys(each.namespace for each in files.queries):
            library.listing.require_found(namespace)
        show(_rehearsed(library, settings, files, args.sample, args.retry_for, console), console)
    return 0


def _read(args: argparse.Namespace) -> _Files:
    if args.judgements and not args.queries:
        raise UsageError("--judgements needs --queries.", tip="Name the file of the queries that were judged.")
    if args.judgements:
        queries, judged = read_judged(args.queries, args.judgements)
        return _Files(tuple(with_judgement(queries, judged)), judged)
    return _Files(tuple(read_queries(args.queries))) if args.queries else _Files()


def _rehearsed(
    library: Library, settings: Settings, files: _Files, size: int, retry_for: float, console: Console
) -> Rehearsal:
    configured, clock = settings.embedding, SystemClock()
    embedder = assemble(
        configured, Terms(RetryPolicy(retry_for), batch=configured.batch.value), Ties(tell=console.note)
    )
    options = Options(batch=configured.batch.value, price=configured.price_per_million_tokens.value)
    count, file = token_counter(configured), database(settings, console.note)
    target = configured_target(configured)
    planned = dry_run(file, library.store, target, options, now_ms=clock.now_ms(), count_tokens=count)
    first = judged_first([str(each.id) for each in files.queries], files.judged) if files.judged else ()
    sample = draw(library, size, first)
    if not sample.documents:
        return Rehearsal(planned, embedder.target, options, count)
    ask_target(library.store, embedder, retarget=False)
    rows = counted(len(sample.documents), "row")
    console.note(
        f"Asks {embedder.target.model} for {rows} and for queries; nothing is written to {library.store.name}."
    )
    taken = embed_sample(embedder, sample.documents, clock)
    both = BothEmbedders.of(embedder, choose(library.store, settings), sample.stored, QueryEmbedders)
    asked, compared = _searched(library, both, sample, taken, files)
    spent = embedder.meter.spent.tokens
    return Rehearsal(planned, embedder.target, options, count, taken, asked, compared, tuple(both.notes()), spent)


def _searched(
    library: Library, both: BothEmbedders, sample: Sample, taken: Taken, files: _Files
) -> tuple[Asked, Compared]:
    """Return by what the sample was searched, and how its searches compare."""
    titled = () if files.judged else untitled([each.document for each in taken.embedded])
    by_title = {each.id: both.question(each.title, None) for each in titled}
    questions = _of_files(both, taken, files) if files.queries else list(by_title.values())
    compared = compare_searches(library, sample, taken.embedded, questions)
    by = "judged queries" if files.judged else "queries" if files.queries else "titles"
    asked = Asked(by, len(titled), len(files.queries) - len(questions) if files.queries else 0, _outside(taken, files))
    if titled:
        now, target = _by_titles(both, sample, taken, titled, by_title)
        compared = replace(compared, now=now, target=target)
    return asked, compared


def _of_files(both: BothEmbedders, taken: Taken, files: _Files) -> list[Question]:
    """Return the queries of the file; of those that were judged the ones whose right answers are in the sample."""
    embedded = {each.document.id for each in taken.embedded}
    found = []
    for each in files.queries:
        gains = None
        if files.judged is not None:
            gains = {memory: gain for memory, gain in files.judged[str(each.id)].items() if memory in embedded}
            if not any(gains.values()):
                continue
        found.append(both.question(each.text, each.namespace, gains))
    return found


def _outside(taken: Taken, files: _Files) -> int:
    """Return how many judgements are of rows that are not searched."""
    embedded, judged = {each.document.id for each in taken.embedded}, files.judged or {}
    return sum(memory not in embedded for each in files.queries for memory in judged.get(str(each.id), ()))


def _by_titles(
    both: BothEmbedders, sample: Sample, taken: Taken, untitled_rows: Sequence[Document], asked: Mapping[str, Question]
) -> tuple[Quality | None, Quality | None]:
    """Return how well rows are found by their titles now, and how well by the target."""
    contents = embedded_of(embed_documents(both.target, untitled_rows))
    target = Titled(
        {each.document.id: each.vector for each in taken.embedded},
        {each.document.id: each.vector for each in contents},
        {name: each.target.vector for name, each in asked.items()},
    )
    return compare_by_titles(both.titled(sample.stored, untitled_rows, asked), target)
