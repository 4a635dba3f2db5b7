"""Joins the work on a run that was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.reembed.sweep.already_there import OtherModels, require_new
from ai_memory.reembed.sweep.census_beside import CensusBeside
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
    from ai_memory.reembed.plan.plan import Plan
    from ai_memory.reembed.plan.taking import TakenRun
    from ai_memory.reembed.sweep.census_beside import RequireRoom
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
    planned: Plan,
    require_room: RequireRoom,
) -> tuple[Passes, CensusBeside]:
    """Return the work on the run just taken, as it was planned, and its first census, which may be under way.

    `require_room` is asked once that census is over.
    """
    run, scope = taken.run, planned.scope
    journal = RunJournal(run)
    committer = Committer(store, journal, taken.fingerprint, tools, unsettled=taken.unsettled, sizes=run.limits)
    census = CensusBeside(heartbeat, store, planned, taken, committer, tools, require_room)
    # The number of rows changes nothing where a look ahead has found as many as it does.
    stale = 0 if planned.beside else planned.census.stale
    schedule = Schedule(rows=stale, batch=options.batch, doubted=run.counters.disagreed > 0)
    refused = store.quarantine.refused_since(taken.fingerprint.id, run.started_at)
    refusals = RefusalGuard(refused=refused, total=lambda: census.taken().live)
    others = OtherModels(
        lambda outcomes: require_new(store, committer.target, run.target_model, outcomes),
        # Only before its first vector can a run show that they are those of another model.
        rows=0 if options.same_vectors or run.counters.reembedded else FIRST,
    )
    unproven = inherited(store, taken.fingerprint)
    sweep = joined(committer, options, tools, pool, census, schedule, refusals, others=others, before=unproven)
    # Beside no census a token is limited.
    most = 0 if planned.beside else stale + planned.census.quarantined
    following = Next(store, options, tools, scope, most)
    before = census.taken
    passes = Passes(store, sweep, committer, journal, options, tools, scope=scope, before=before, following=following)
    return passes, census
