"""`reembed --dry-run`: what a run would do, told and not done."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.commands.known_witness import local_ties, witness_of
from ai_memory.commands.precision import tell_planned
from ai_memory.commands.reembed.embedders import embedders_lines, embedders_values
from ai_memory.commands.reembed.plan_lines import dry_run_lines, preflight_lines
from ai_memory.commands.with_keys import database
from ai_memory.embed.assemble import (
    QUICK,
    assemble_interactive,
    configured_target,
    embedders,
    needs,
    token_counter,
    workplace,
)
from ai_memory.embed.terms import Terms
from ai_memory.frozen import Frozen
from ai_memory.reembed.plan.ask_target import ask_target
from ai_memory.reembed.plan.dry_run import dry_run
from ai_memory.reembed.plan.measured import measure
from ai_memory.reembed.plan.this_start import this_start
from ai_memory.stores.opening import reading
from ai_memory.system.signals import SIGNAL_EXIT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ai_memory.config.settings import Settings
    from ai_memory.embed.port import Pool, ResilientEmbedder, TokenLimit, Where
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.dry_run import DryRun
    from ai_memory.show.console import Console
    from ai_memory.vectors.target import Vectors


class Prober(Frozen):
    """Who is asked before any run: `workers` with a local model are measured, an endpoint (None) is asked once."""

    embedder: ResilientEmbedder
    workers: Callable[[], Pool[Sequence[str], Vectors]] | None = None


def run_plan(
    settings: Settings,
    console: Console,
    *,
    options: Options,
    ask: bool,
    where: Where | None = None,
    limit: TokenLimit | None = None,
) -> int:
    """Show what a run would do, by so many processes, or by a Ray, with the database opened read-only.

    Nothing is sent, unless it is to `ask`: then the target is asked as a run would ask it first, for as long as a
    person waits, and the workers with a local model are measured on some of the texts.
    """
    tell_planned(settings, console)
    ties = local_ties(settings.embedding, witness_of(lambda: reading(settings.db.value)), console.note)
    place = workplace(where, settings.embedding, ties)
    try:
        prober = None
        if ask and settings.embedding.is_local:
            prober = Prober(*embedders(place, settings.embedding, Terms(QUICK), ties, _vectors))
        elif ask:
            prober = Prober(assemble_interactive(settings.embedding))
        found = planned(settings, options, console.note, prober=prober)
    finally:
        if place:
            place.close()
    for line in preflight_lines(found.preflight, doubted=False):
        console.err.line(line)
    needed, seconds = needs(settings.embedding, place), found.estimate.seconds if found.estimate else None
    for line in embedders_lines(needed, seconds):
        console.err.line(line)
    start = this_start(found, options, limit)
    values = {**found.values(), **start.values(), **embedders_values(needed, seconds)}
    console.result(values, *dry_run_lines(found, start))
    return 0


def planned(
    settings: Settings, options: Options, tell: Callable[[str], None], *, prober: Prober | None = None
) -> DryRun:
    """Return what a run would do; see `run_plan`, and `dry_run`, which also says what is raised."""
    target, count = configured_target(settings.embedding), token_counter(settings.embedding)
    file = database(settings, tell)
    with file.read() as store:
        probed = ask_target(store, prober.embedder, retarget=options.retarget) if prober else None
        found = dry_run(file, store, target, options, now_ms=SystemClock().now_ms(), count_tokens=count, probed=probed)
    return _measured(found, prober.workers) if prober and prober.workers else found


def _vectors(embedder: ResilientEmbedder, texts: Sequence[str]) -> Vectors:
    return embedder.embed_documents(texts)


def _measured(found: DryRun, workers: Callable[[], Pool[Sequence[str], Vectors]]) -> DryRun:
    """Return the plan with the time that its texts take the workers."""
    texts = found.texts + found.in_doubt.texts
    with closing(workers()) as pool:
        try:
            estimate = measure(pool, found.sample, texts, SystemClock().monotonic)
        except KeyboardInterrupt:
            # Nothing was written, and workers end with this process: nobody waits for what they compute.
            os._exit(SIGNAL_EXIT + signal.SIGINT)
    return replace(found, estimate=estimate or found.estimate)
