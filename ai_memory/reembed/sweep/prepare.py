"""Joins the work on a run that was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.reembed.sweep.already_there import OtherModels, require_new
from ai_memory.reembed.sweep.committer import Committer
from ai_memory.reembed.sweep.inherited import inherited
from ai_memory.reembed.sweep.joined import joined
from ai_memory.reembed.sweep.journal import RunJournal
from ai_memory.reembed.sweep.needed import Next
from ai_memory.reembed.sweep.passes import Passes
from ai_memory.reembed.sweep.refusal_guard import RefusalGuard
from ai_memory.reembed.sweep.schedule import FIRST, Schedule

if TYPE_CHECKING:
    from ai_memory.reembed.heartbeat import Heartbeat
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.census import Census
    from ai_memory.reembed.plan.taking import TakenRun
    from ai_memory.reembed.scope import Scope
    from ai_memory.reembed.tools import Tools
    from ai_memory.reembed.work import Workers
    from ai_memory.stores.port import Store


def prepare(  # noqa: PLR0913 - all that a sweep is made of
    store: Store,
    taken: TakenRun,
    options: Options,
    tools: Tools,
    pool: Workers,
    heartbeat: Heartbeat,
    *,
    scope: Scope,
    before: Census,
) -> Passes:
    """Return the work on the run just taken: of `scope`, in which the census `before` was taken."""
    run = taken.run
    journal = RunJournal(run)
    committer = Committer(store, journal, taken.fingerprint, tools, unsettled=taken.unsettled, sizes=run.limits)
    schedule = Schedule(rows=before.stale, batch=options.batch, doubted=run.counters.disagreed > 0)
    refused = store.quarantine.refused_since(taken.fingerprint.id, run.started_at)
    refusals = RefusalGuard(refused=refused, total=before.live)
    others = OtherModels(
        lambda outcomes: require_new(store, committer.target, run.target_model, outcomes),
        # Only before its first vector can a run show that they are those of another model.
        rows=0 if options.same_vectors or run.counters.reembedded else FIRST,
    )
    unproven = inherited(store, taken.fingerprint)
    sweep = joined(committer, options, tools, pool, heartbeat, schedule, refusals, others=others, before=unproven)
    following = Next(store, options, tools, scope, before.stale + before.quarantined)
    return Passes(store, sweep, committer, journal, options, tools, scope=scope, before=before, following=following)
