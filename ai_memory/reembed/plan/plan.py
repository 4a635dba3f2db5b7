"""Finds the target, decides what a start does, and takes the run: everything before the first request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ai_memory import __version__
from ai_memory.embed.port import ONE_ATTEMPT, ResilientEmbedder
from ai_memory.embed.probe import probe
from ai_memory.errors import AiMemoryError, OperatorNeeded
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.breaker import believed_until
from ai_memory.reembed.heartbeat import require_no_pause
from ai_memory.reembed.holding import held
from ai_memory.reembed.plan.census import Census, Means, take_census
from ai_memory.reembed.plan.decide import Action, Situation, decide, scope_of
from ai_memory.reembed.plan.outlook import all_fresh
from ai_memory.reembed.plan.targets import enter_target, find_target, known_fingerprint
from ai_memory.stores.holder import Holder, LockState
from ai_memory.system.person import who
from ai_memory.vectors.fingerprint import differences
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.wanted import Wanted
    from ai_memory.reembed.scope import Scope
    from ai_memory.stores.port import Database, Reader, Store, Transaction
    from ai_memory.stores.values import Run, Space
    from ai_memory.vectors.target import Fingerprint, Target


@dataclass(frozen=True, slots=True)
class Preflight:
    """What is told before vectors are replaced: `stored` vectors, the rows found, and the target.

    `begins` says that a run is begun, not gone on with.
    """

    stored: tuple[Space, ...]
    census: Census
    target: Target
    begins: bool = True


Disclose = Callable[[Preflight], None]
"""Is told the pre-flight; refuses by raising."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a start found and decided, with nothing written yet."""

    action: Action
    target: Target
    scope: Scope
    census: Census
    run: Run | None


@dataclass(frozen=True, slots=True)
class TakenRun:
    """The run this process now holds, and its target.

    `unsettled` is how many texts that killed predecessors had sent are not committed yet, at most; `texts_sent_twice`
    is the same where the last one was killed, else 0: they were told of then. `lifted` rows were let out of quarantine
    to be tried again.
    """

    run: Run
    fingerprint: Fingerprint
    resumed: bool
    unsettled: int
    texts_sent_twice: int = 0
    lifted: int = 0


def plan(store: Reader, embedder: ResilientEmbedder, options: Options, *, now_ms: int) -> Plan:
    """Return what this start is to do.

    Raises:
        OperatorNeeded, TargetChanged, UsageError: see `decide`; or nobody approved the target.
        NotFound: a named namespace was never seen.
    """
    run = store.runs.unfinished()
    store.memories.require_seen(*(options.scope or ()))
    configured, target = embedder.target.dim, find_target(store, embedder)
    planned = _plan(store, target, options, run, now_ms=now_ms)
    if configured or not target.dim or not _may_go_elsewhere(store, planned, options):
        return planned
    told = _told_width(embedder, run, now_ms=now_ms)
    if told in (0, target.dim):
        return planned
    return _plan(store, replace(target, dim=told), options, run, now_ms=now_ms)


def _may_go_elsewhere(store: Reader, planned: Plan, options: Options) -> bool:
    """Return whether a person lets this start go to the width that the endpoint tells, where another one is recorded.

    Not a plain start towards a target that is approved: that the endpoint has another width by now is told first.
    """
    if options.retarget:
        return True
    target = planned.target
    return planned.action is Action.START and not store.operator.is_approved(target.space, target.dim)


def _told_width(embedder: ResilientEmbedder, run: Run | None, *, now_ms: int) -> int:
    """Return the width of the vectors that the endpoint gives now, 0 where it gives none."""
    if run and now_ms < believed_until(run, now_ms=now_ms):
        return 0
    try:
        return int(probe(embedder.with_retry_policy(ONE_ATTEMPT), WITNESS_TEXTS[:1]).shape[1])
    except AiMemoryError:
        # The run's own probe meets that again, and knows what to do.
        return 0


def _plan(store: Reader, target: Target, options: Options, run: Run | None, *, now_ms: int) -> Plan:
    scope = scope_of(options, run)
    target = _approved_width(store, target, options, run)
    changed = _changed(store, run, target)
    skip = run.skip_current if run and not changed else options.skip_current
    means = Means(target if skip else None, options.retry_quarantined)
    census = take_census(store, known_fingerprint(store, target), scope, now_ms=now_ms, means=means)
    return Plan(_action(store, target, options, run, census), target, scope, census, run)


def _approved_width(store: Reader, target: Target, options: Options, run: Run | None) -> Target:
    if options.or_start and run is None and not target.dim:
        # What was approved says the width, too; the probe refuses an endpoint that has another.
        return replace(target, dim=store.operator.approved_width(target.space))
    return target


def _changed(store: Reader, run: Run | None, target: Target) -> list[str]:
    return differences(store.targets.read(run.target).spec_json, target) if run else []


def _action(store: Reader, target: Target, options: Options, run: Run | None, census: Census) -> Action:
    approved, changed = store.operator.is_approved(target.space, target.dim), _changed(store, run, target)
    action = decide(options, Situation(run, tuple(changed), census, approved))
    if action is Action.ASK:
        raise _unapproved(store, target.space, target.dim, options)
    return action


def refusal(
    database: Database, store: Reader, target: Target, options: Options, census: Census, *, now_ms: int
) -> AiMemoryError | None:
    """Return what a start would end with before it begins, None where it would begin; nothing is written or sent."""
    if database.lock().state in (LockState.RUNNER, LockState.READER):
        return held(database, now_ms=now_ms)
    try:
        require_no_pause(store, now_ms=now_ms)
        run = store.runs.unfinished()
        _action(store, _approved_width(store, target, options, run), options, run, census)
    except AiMemoryError as error:
        return error
    return None


def require_approved_name(store: Reader, asked: Wanted, options: Options, *, now_ms: int) -> None:
    """Refuse an unattended start whose target nobody approved, as far as the configured name tells: without a model.

    Raises:
        OperatorNeeded: nobody did, and rows are stale for every target of that space; or the file is paused.
    """
    require_no_pause(store, now_ms=now_ms)
    if not asked.space or store.runs.unfinished_id() is not None:
        return
    store.memories.require_seen(*(options.scope or ()))
    approved = store.operator.approved_at(asked.space, asked.dim) is not None
    if not approved and not all_fresh(store, asked, options.scope, now_ms=now_ms):
        raise _unapproved(store, asked.space, asked.dim, options)


def _unapproved(store: Reader, space: str, dim: int, options: Options) -> OperatorNeeded:
    wide = f", {dim} wide" if dim else ""
    where = f" ({options.configured})" if options.configured else ""
    return OperatorNeeded(
        f"Nobody approved the configured target for this file: it is {space}{wide}{where}; "
        f"{store.name} {_what_differs(store, space, dim)}.",
        tip="If it is the right one: ai-memory reembed approve",
    )


def _what_differs(store: Reader, space: str, dim: int) -> str:
    """Return what the file has that this target is not, as the one thing in which both differ."""
    stored = [(name, wide) for name, wide, _ in store.memories.stored_spaces() if name]
    if not stored:
        return "has no vectors with a stamp"
    widths = [wide for name, wide in stored if name == space]
    if not widths:
        return f"has vectors of {printable(stored[0][0])}, {stored[0][1] or 'unknown'} wide"
    if dim and dim not in widths:
        return f"has vectors of the same space, but {widths[0] or 'unknown'} wide: only the width (dim) differs"
    return "has such vectors already, but no run to it was completed here, or its approval was taken back"


def approve_by_hand(transaction: Transaction, target: Target, options: Options, *, now_ms: int) -> None:
    """Approve a target where a person gave the command."""
    if options.by_hand:
        how = "--yes" if options.yes else "by hand"
        transaction.operator.approve(target.space, target.dim, by=who(), how=how, now_ms=now_ms)


def take(
    store: Store,
    planned: Plan,
    options: Options,
    holder: Holder,
    *,
    in_flight: int,
    stored: Sequence[Space] = (),
) -> TakenRun:
    """Enter or take over the run as planned, in one transaction, and return it; `stored` is what the file has."""
    now_ms = holder.started_at
    with store.transaction() as transaction:
        fingerprint = enter_target(transaction, planned.target, now_ms=now_ms)
        approve_by_hand(transaction, planned.target, options, now_ms=now_ms)
        run = planned.run
        if run and planned.action is Action.SUPERSEDE:
            transaction.runs.transition(run, "superseded", now_ms=now_ms, fenced=False)
        if planned.action in (Action.SUPERSEDE, Action.START) or run is None:
            run = _begin(transaction, planned, fingerprint, options, now_ms=now_ms)
            transaction.progress.note_stored(run, stored)
        if options.retry_quarantined:
            if planned.scope is None:
                # Also entries of which nothing can be read any more.
                transaction.quarantine.lift_all(fingerprint.id)
            # Those of other namespaces stay: this run will not try them.
            transaction.quarantine.lift(fingerprint.id, sorted(planned.census.quarantined_ids))
        # What the row says of it is what killed runners left; only a text of a stale row is sent again, asked again
        # at most once.
        lost = min(run.in_flight_limit, 2 * planned.census.stale)
        resumed = run.run_id == (planned.run.run_id if planned.run else None)
        killed, until = run.holder is not None, believed_until(run, now_ms=now_ms)
        run = transaction.runs.take_over(
            run, holder, in_flight_limit=in_flight, lost=lost, breaker_until=until, now_ms=now_ms
        )
        lifted = planned.census.quarantined if options.retry_quarantined else 0
        transaction.progress.note_census(run, planned.census.counted(lifted=lifted))
    return TakenRun(run, fingerprint, resumed, lost, lost if killed else 0, lifted)


def preflight(store: Reader, planned: Plan) -> Preflight:
    """Return what is to be told before vectors are replaced."""
    begins = planned.action in (Action.START, Action.SUPERSEDE)
    return Preflight(tuple(store.memories.stored_spaces()), planned.census, planned.target, begins)


def _begin(transaction: Transaction, planned: Plan, fingerprint: Fingerprint, options: Options, *, now_ms: int) -> Run:
    return transaction.runs.begin(
        target=fingerprint,
        target_model=planned.target.model,
        scope=planned.scope,
        skip_current=options.skip_current,
        now_ms=now_ms,
        tool_version=__version__,
    )
