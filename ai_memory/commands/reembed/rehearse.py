"""`reembed rehearse`: tries the configured target on a sample, and says what would change; nothing is written."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.actions.rehearse import Compared, Sample, Taken, compare_searches, draw, embed_sample, judged_first
from ai_memory.clock import SystemClock
from ai_memory.commands.choose_embedders import choose
from ai_memory.commands.query_files import read_judged, read_queries, with_judgement
from ai_memory.commands.reembed.both_embedders import BothEmbedders
from ai_memory.commands.reembed.plan import ask_target
from ai_memory.commands.reembed.rehearsal import Asked, Rehearsal, show
from ai_memory.embed.assemble import assemble, configured_target, token_counter
from ai_memory.embed.terms import Terms, Ties
from ai_memory.errors import UsageError
from ai_memory.reembed.options import Options
from ai_memory.reembed.plan.dry_run import DryRun, dry_run
from ai_memory.stores.opening import database, reading
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.actions.judgements import Judgements
    from ai_memory.actions.query_lines import QueryLine
    from ai_memory.config.settings import Settings
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_port import Library


@dataclass(frozen=True, slots=True)
class _Questions:
    """What is asked: queries of a file, and the judgements of their answers; none where titles are to serve."""

    queries: tuple[QueryLine, ...] = ()
    judged: Judgements | None = None


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Embed a sample by the configured target, and show how it would be found and what all rows would take.

    Raises:
        UsageError: there are judgements of no queries.
        NotFound, DataRefused: a file, or a namespace of a query, is not there or not what it should be.
        AiMemoryError: the target's, as a run would end with it.
    """
    questions = _read(args)
    with reading(settings.db.value, tell=console.note) as library:
        for namespace in dict.fromkeys(each.namespace for each in questions.queries):
            library.listing.require_found(namespace)
        configured = settings.embedding
        embedder = assemble(configured, Terms(batch=configured.batch.value), Ties(tell=console.note))
        planned = _plan(library, settings)
        judged = questions.judged or {}
        sample = draw(library, args.sample, judged_first([str(each.id) for each in questions.queries], judged))
        taken, asked, compared = Taken(), Asked(), Compared()
        if sample.documents:
            ask_target(library.store, embedder, retarget=False)
            rows = counted(len(sample.documents), "row")
            console.note(f"Asks {embedder.target.model} for {rows} and for queries; nothing is written.")
            taken = embed_sample(embedder, sample.documents, SystemClock())
            asked, compared = _searched(library, settings, embedder, sample, taken, questions)
    show(Rehearsal(planned, embedder.target, taken, asked, compared, _counter(settings), configured), console)
    return 0


def _read(args: argparse.Namespace) -> _Questions:
    if args.judgements and not args.queries:
        raise UsageError("--judgements needs --queries.", tip="Name the file of the queries that were judged.")
    if args.judgements:
        queries, judged = read_judged(args.queries, args.judgements)
        return _Questions(tuple(with_judgement(queries, judged)), judged)
    return _Questions(tuple(read_queries(args.queries))) if args.queries else _Questions()
