"""`reembed --stamp-only`: the stored vectors taken for the target's, attested by the operator."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.commands.with_keys import database
from ai_memory.embed.assemble import assemble, configured_target, in_turn
from ai_memory.embed.port import RetryPolicy
from ai_memory.embed.terms import Terms
from ai_memory.errors import EmbedderInitFailed, TransientFailure
from ai_memory.frozen import Frozen
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
from ai_memory.text.amounts import counted
from ai_memory.text.hints import REEMBED

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.reembed.scope import Scope
    from ai_memory.show.console import Console
    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Target

COMPARE = "ai-memory reembed verify --sample 300"
NOT_KEPT = " Nothing of what stood there is kept (--no-undo)."
ALL = "all"


class Asked(Frozen):
    """What was asked for: the scope, what `--sample` gave ("all", a number, None: nothing), and `--retry-for`.

    What is replaced is kept if there is to be an `undo`.
    """

    scope: Scope
    sample: str | int | None
    retry_for: float
    undo: bool = True

    @property
    def size(self) -> int | None:
        """How many vectors are compared at most where an embedder is reached; None: all."""
        return None if self.sample == ALL else int(self.sample or SAMPLED)


def run(settings: Settings, console: Console, asked: Asked, *, dry_run: bool) -> int:
    """Stamp the stored vectors as the target's, attested by the operator, or show what would be stamped.

    Some are compared first with what the embedder gives; without a sample only where one can be reached.

    Raises:
        StampRefused: they are not the target's; nothing is stamped.
        AiMemoryError: what else stands in the way.
    """
    return _plan(settings, console, asked) if dry_run else _stamp(settings, console, asked)


def _plan(settings: Settings, console: Console, asked: Asked) -> int:
    """Show what would be stamped, or refuse as the stamp would; the database is opened read-only."""
    target = configured_target(settings.embedding)
    reading, now_ms = database(settings, console.note).read(), SystemClock().now_ms()
    with reading as store, naming_the_way_on(store, REEMBED, now_ms=now_ms):
        found = would_stamp(store, recorded_target(store, target), asked.scope, each=asked.size is None)
    compared = found.stamped if asked.size is None else min(asked.size, found.stamped)
    already = counted(found.already_current, "already is", "already are")
    text = f"Would stamp {counted(found.stamped, 'vector')} as {found.active_space}; {already}."
    values = {**found.values(), "dry_run": True, "to_compare": compared}
    console.result(values, f"{text}{_to_compare(asked, compared)} Nothing was changed.")
    return 0


def _to_compare(asked: Asked, rows: int) -> str:
    """Return what is said of a comparison that no dry run makes."""
    if not rows:
        return ""
    if asked.size is None:
        return " Each is embedded again first, which this did not do: those that differ stay stale."
    where = "" if asked.sample else ", where an embedder can be reached"
    again = counted(rows, "of them is", "of them are")
    return f" First {again} embedded again{where}, which this did not do: if one differs, nothing is stamped."


def _stamp(settings: Settings, console: Console, asked: Asked) -> int:
    target = configured_target(settings.embedding)
    tools = SweepTools(SystemClock(), Stop(), lambda _: None)
    now_ms = tools.clock.now_ms()
    file = database(settings, console.note)
    held = holding(file, now_ms=now_ms, task=Task.STAMP)
    with held, file.write(now_ms=now_ms) as store, naming_the_way_on(store, REEMBED, now_ms=now_ms):
        known = recorded_target(store, target)
        due = would_stamp(store, known, asked.scope, each=asked.size is None).stamped
        embedder, notes = _reached(store, settings, asked) if due else (None, [])
        for note in notes:
            console.warn(note)
        if embedder:
            result = _compared(store, known, asked, tools, embedder)
        else:
            result = stamp(store, known, asked.scope, tools, undo=asked.undo)
        told, on = (as_it_stands(each, store, REEMBED, now_ms=now_ms) for each in (result.text(), result.next))
    kept = "" if asked.undo or not result.stamped else NOT_KEPT
    # What stays stale is to be embedded first: what was stamped unseen can be compared at any time.
    console.result({**result.values(), "notes": notes, "next": on or (COMPARE if notes else "")}, f"{told}{kept}")
    return 0


def _compared(store: Store, target: Target, asked: Asked, tools: SweepTools, embedder: ResilientEmbedder) -> Stamped:
    with closing(in_turn(embedder, answer)) as workers:
        return stamp_compared(store, target, asked.scope, tools, workers, size=asked.size, undo=asked.undo)


def _reached(store: Store, settings: Settings, asked: Asked) -> tuple[ResilientEmbedder | None, list[str]]:
    """Return the embedder, once it has shown that it serves the target, and what is to be told.

    None where nobody is there to be asked for as long as requests are retried, and no sample was asked for.

    Raises:
        TargetChanged: it serves other weights, or another width, than those that the target is known by.
        AiMemoryError: what else is wrong with it, though it be for now.
    """
    embedder = assemble(settings.embedding, Terms(RetryPolicy(retry_for=asked.retry_for)))
    try:
        witnessed(store, embedder)
    except (EmbedderInitFailed, TransientFailure) as error:
        if asked.sample is not None or embedder.meter.reached:
            raise
        return None, [f"no vector was compared: {error.what} Later: {COMPARE}"]
    return embedder, []
