"""`reembed --dry-run`: what a run would do, told and not done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.commands.precision import tell_planned
from ai_memory.commands.reembed.embedders import embedders_lines, embedders_values
from ai_memory.commands.reembed.plan_lines import dry_run_lines, preflight_lines
from ai_memory.commands.with_keys import database
from ai_memory.embed.assemble import assemble_interactive, configured_target, needs, token_counter, workplace
from ai_memory.embed.terms import Ties
from ai_memory.reembed.plan.ask_target import ask_target
from ai_memory.reembed.plan.dry_run import dry_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.config.settings import Settings
    from ai_memory.embed.port import Where
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.dry_run import DryRun
    from ai_memory.show.console import Console


def run_plan(
    settings: Settings, console: Console, *, options: Options, ask: bool, embedders: Where | None = None
) -> int:
    """Show what a run would do, by so many processes, or by a Ray, with the database opened read-only.

    Nothing is sent, unless it is to `ask`: then the target is asked as a run would ask it first, for as long as a
    person waits.
    """
    tell_planned(settings, console)
    found = planned(settings, options, console.note, ask=ask)
    for line in preflight_lines(found.preflight, doubted=False):
        console.err.line(line)
    place = workplace(embedders, settings.embedding, Ties(tell=console.note))
    needed = needs(settings.embedding, place)
    if place:
        place.close()
    for line in embedders_lines(needed):
        console.err.line(line)
    console.result({**found.values(), **embedders_values(needed)}, *dry_run_lines(found))
    return 0


def planned(settings: Settings, options: Options, tell: Callable[[str], None], *, ask: bool = False) -> DryRun:
    """Return what a run would do; see `run_plan`, and `dry_run`, which also says what is raised."""
    target, count = configured_target(settings.embedding), token_counter(settings.embedding)
    file = database(settings, tell)
    with file.read() as store:
        embedder = assemble_interactive(settings.embedding) if ask else None
        probed = ask_target(store, embedder, retarget=options.retarget) if embedder else None
        return dry_run(file, store, target, options, now_ms=SystemClock().now_ms(), count_tokens=count, probed=probed)
