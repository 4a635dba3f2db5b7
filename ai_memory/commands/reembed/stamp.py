"""`reembed --stamp-only`: the stored vectors taken for the target's, attested by the operator."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.embed.assemble import assemble, configured_target, in_turn
from ai_memory.embed.port import ONE_ATTEMPT
from ai_memory.errors import EmbedderInitFailed, TransientFailure
from ai_memory.reembed.holding import holding
from ai_memory.reembed.plan.stamping import Stamped, would_stamp
from ai_memory.reembed.plan.targets import recorded_target
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.sweep.believed import witnessed
from ai_memory.reembed.sweep.stamp import stamp
from ai_memory.reembed.sweep.stamp_compared import SAMPLED, stamp_compared
from ai_memory.reembed.sweep.worker import answer
from ai_memory.reembed.tools import SweepTools
from ai_memory.reembed.way_on import as_it_stands, naming_the_way_on
from ai_memory.stores.holder import Task
from ai_memory.stores.opening import database
from ai_memory.text.amounts import counted
from ai_memory.text.hints import REEMBED

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.reembed.scope import Scope
    from ai_memory.show.console import Console
    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Target

COMPARE = "Later: ai-memory reembed verify --sample 300"
SampleSize = str | int | None
"""What `--sample` gave: "all", a number, or None where it was not given."""


def run(
    settings: Settings, console: Console, *, scope: Scope, sample: SampleSize, dry_run: bool, undo: bool = True
) -> int:
    """Stamp the stored vectors as the target's, attested by the operator, or show what would be stamped.

    Some are compared first with what the embedder gives; without a `sample` only where one can be reached. What is
    replaced is kept if there is to be an `undo`.

    Raises:
        StampRefused: they are not the target's; nothing is stamped.
        AiMemoryError: what else stands in the way.
    """
    return _plan(settings, console, scope) if dry_run else _stamp(settings, console, scope, sample, undo=undo)


def _plan(settings: Settings, console: Console, scope: Scope) -> int:
    """Show what would be stamped, or refuse as the stamp would; the database is opened read-only."""
    target = configured_target(settings.embedding)
    reading, now_ms = database(settings.db.value, tell=console.note).read(), SystemClock().now_ms()
    with reading as store, naming_the_way_on(store, REEMBED, now_ms=now_ms):
        found = would_stamp(store, recorded_target(store, target), scope)
    already = counted(found.already_current, "already is", "already are")
    text = f"Would stamp {counted(found.stamped, 'vector')} as {found.active_space}; {already}."
    console.result({**found.values(), "dry_run": True}, f"{text} Nothing was changed.")
    return 0


def _stamp(settings: Settings, console: Console, scope: Scope, sample: SampleSize, *, undo: bool) -> int:
    target, path = configured_target(settings.embedding), settings.db.value
    tools = SweepTools(SystemClock(), Stop(), lambda _: None)
    now_ms = tools.clock.now_ms()
    file = database(path, tell=console.note)
    held = holding(file, now_ms=now_ms, task=Task.STAMP)
    with held, file.write(now_ms=now_ms) as store, naming_the_way_on(store, REEMBED, now_ms=now_ms):
        known = recorded_target(store, target)
        due = would_stamp(store, known, scope).stamped
        embedder = _reached(store, settings, console, must=sample is not None) if due else None
        if embedder:
            result = _compared(store, known, scope, tools, embedder, sample, undo=undo)
        else:
            result = stamp(store, known, scope, tools, undo=undo)
        told = as_it_stands(result.text(), store, REEMBED, now_ms=now_ms)
    console.result(result.values(), told)
    return 0


def _compared(
    store: Store,
    target: Target,
    scope: Scope,
    tools: SweepTools,
    embedder: ResilientEmbedder,
    sample: SampleSize,
    *,
    undo: bool,
) -> Stamped:
    size = None if sample == "all" else int(sample or SAMPLED)
    with closing(in_turn(embedder, answer)) as workers:
        return stamp_compared(store, target, scope, tools, workers, size=size, undo=undo)


def _reached(store: Store, settings: Settings, console: Console, *, must: bool) -> ResilientEmbedder | None:
    """Return the embedder, once it has shown that it serves the target; None where there is none, and none is a `must`.

    Raises:
        TargetChanged: it serves other weights, or another width, than those that the target is known by.
        AiMemoryError: what else is wrong with it.
    """
    try:
        embedder = assemble(settings.embedding)
        witnessed(store, embedder.with_retry_policy(ONE_ATTEMPT))
    except (EmbedderInitFailed, TransientFailure) as error:
        if must:
            raise
        console.warn(f"no vector was compared: {error.what} {COMPARE}")
        return None
    return embedder
