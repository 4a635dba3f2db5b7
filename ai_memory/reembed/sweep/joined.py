"""Joins what a sweep is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.reembed.sweep.already_there import OtherModels
from ai_memory.reembed.sweep.asking import Asking
from ai_memory.reembed.sweep.pipeline import Alone
from ai_memory.reembed.sweep.refusal_guard import RefusalGuard
from ai_memory.reembed.sweep.stopwatch import Stopwatch, TimedWorkers
from ai_memory.reembed.sweep.sweep import Sweep
from ai_memory.reembed.sweep.trail import Trail
from ai_memory.reembed.sweep.witness_guard import WitnessGuard

if TYPE_CHECKING:
    from ai_memory.reembed.heartbeat import Signs
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.sweep.committer import Committer
    from ai_memory.reembed.sweep.inherited import Inherited
    from ai_memory.reembed.sweep.schedule import Schedule
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.reembed.work import Workers


def joined(  # noqa: PLR0913 - all that a sweep is made of
    committer: Committer,
    options: Options,
    tools: SweepTools,
    pool: Workers,
    signs: Signs,
    schedule: Schedule,
    refusals: RefusalGuard | None = None,
    *,
    others: OtherModels | None = None,
    before: Inherited | None = None,
) -> Sweep:
    """Return a sweep that asks `pool`, as much of it again as `schedule` says, and writes by `committer`.

    `before` is what earlier invocations wrote that was not seen to be right.
    """
    watch = Stopwatch(signs, tools)
    pool = TimedWorkers(pool, watch)
    others, alone = others or OtherModels(), Alone(pool, watch, tools.ledger)
    trail = Trail(tools.chance, before)
    asking = Asking(schedule, pool, tools.ledger, trail, batch=options.batch, chance=tools.chance)
    guard = WitnessGuard(committer, tools, alone, asking, trail, others)
    return Sweep(pool, guard, committer, refusals or RefusalGuard(), options, tools, watch)
