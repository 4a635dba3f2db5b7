"""Finds the target, counts the rows, and decides what a start does, with nothing written."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.reembed.plan.approval import unapproved
from ai_memory.reembed.plan.at_hand import AtHand, Sorting
from ai_memory.reembed.plan.census import Census, Listener, Means, count_rows
from ai_memory.reembed.plan.decide import Action, Situation, decide, order_of, scope_of
from ai_memory.reembed.plan.targets import find_target, has_unproven, known_fingerprint, told_width
from ai_memory.reembed.plan.undo_room import staged_bytes, undo_bytes
from ai_memory.stores.values import NAMESPACE
from ai_memory.vectors.fingerprint import differences

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.scope import Scope
    from ai_memory.stores.port import Reader, Snapshot
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint, Target


Found = tuple["Census", AtHand]
"""A census, and of its stale rows those whose vectors are at hand."""
Heard = Callable[[], object]


class Plan(Frozen):
    """What a start found and decided, with nothing written yet.

    `found` is the census, with the stale rows whose vectors are at hand. `beside`: it is under way, of a state before
    the start wrote anything; whoever asks for something of it waits. Keeping what is replaced takes about `undo_bytes`
    (0: it is not kept), vectors beside the memories take `staged_bytes` (0: they replace what is there).
    """

    action: Action
    target: Target
    scope: Scope
    run: Run | None
    found: Future[Found]
    order: str = NAMESPACE
    undo_bytes: int = 0
    staged_bytes: int = 0
    beside: bool = False

    @property
    def census(self) -> Census:
        """The rows as the start found them.

        Raises:
            AiMemoryError: they could not be counted.
        """
        return self.found.result()[0]

    @property
    def at_hand(self) -> AtHand:
        """The stale rows whose vectors are at hand; see `census`."""
        return self.found.result()[1]

    @property
    def counted(self) -> Census | None:
        """The census where it is over and none of it failed; waits for nothing."""
        return self.census if self.found.done() and self.found.exception() is None else None

    @property
    def to_send(self) -> int:
        """How many stale rows have a text that somebody is asked for, at most."""
        return self.census.stale - self.at_hand.rows


def plan(
    store: Reader, embedder: ResilientEmbedder, options: Options, *, now_ms: int, looked_at: Heard | None = None
) -> Plan:
    """Return what this start is to do; `looked_at` hears again and again that some more rows were counted.

    Raises:
        OperatorNeeded, TargetChanged, UsageError: see `decide`; or nobody approved the target.
        NotFound: a named namespace was never seen.
    """
    run = store.runs.unfinished()
    store.memories.require_seen(*(options.scope or ()))
    configured, target = embedder.target.dim, find_target(store, embedder)
    planned = _plan(store, target, options, run, now_ms=now_ms, looked_at=looked_at)
    if configured or not target.dim or not _may_go_elsewhere(store, planned, options):
        return planned
    told = told_width(embedder, run, now_ms=now_ms)
    if told in (0, target.dim):
        return planned
    return _plan(store, replace(target, dim=told), options, run, now_ms=now_ms, looked_at=looked_at)


def _may_go_elsewhere(store: Reader, planned: Plan, options: Options) -> bool:
    """Return whether a person lets this start go to the width that the endpoint tells, where another one is recorded.

    Not a plain start towards a target that is approved: that the endpoint has another width by now is told first.
    """
    if options.retarget:
        return True
    target = planned.target
    return planned.action is Action.START and not store.operator.is_approved(target.space, target.dim)


def _plan(
    store: Reader, target: Target, options: Options, run: Run | None, *, now_ms: int, looked_at: Heard | None
) -> Plan:
    scope, order = scope_of(options, run), order_of(options, run)
    target = approved_width(store, target, options, run)
    changed = _changed(store, run, target)
    skip = run.skip_current if run and not changed else options.skip_current
    means = Means(target if skip else None, options.retry_quarantined)
    found: Future[Found] = Future()
    known = known_fingerprint(store, target)
    found.set_result(count(store, known, scope, means=means, now_ms=now_ms, looked_at=looked_at))
    census, _ = found.result()
    action, undo = action_of(store, target, options, run, census), undo_bytes(options, run, census)
    return Plan(action, target, scope, run, found, order, undo, staged_bytes(options, run, census, dim=target.dim))


def count(
    store: Reader,
    known: Fingerprint | None,
    scope: Scope,
    *,
    means: Means | None = None,
    now_ms: int,
    looked_at: Heard | None = None,
) -> Found:
    """Return the census of the rows in `scope` against a target (None: the file has no record of it)."""

    def read(found: Snapshot) -> Found:
        sorting = Sorting(store, known)
        traits = store.memories.traits
        listener = Listener(sorting.visit, block=looked_at)
        census = count_rows(found, traits, known, scope, now_ms=now_ms, means=means or Means(), listener=listener)
        return census, sorting.found

    return store.consistently(read)


def approved_width(store: Reader, target: Target, options: Options, run: Run | None) -> Target:
    """Return a target with the width that was approved, where an unattended start knows none."""
    if options.or_start and run is None and not target.dim:
        # What was approved says the width, too; the probe refuses an endpoint that has another.
        return replace(target, dim=store.operator.approved_width(target.space))
    return target


def _changed(store: Reader, run: Run | None, target: Target) -> list[str]:
    return differences(store.targets.read(run.target).spec_json, target) if run else []


def action_of(store: Reader, target: Target, options: Options, run: Run | None, census: Census) -> Action:
    """Return what a start does about the unfinished `run`; see `decide`.

    Raises:
        OperatorNeeded, TargetChanged, UsageError: see `decide`; or nobody approved the target.
    """
    approved, changed = store.operator.is_approved(target.space, target.dim), _changed(store, run, target)
    # Where rows are stale there is work in any case, and what is in doubt is asked for at its end.
    unproven = not census.stale and has_unproven(store, target)
    action = decide(options, Situation(run, tuple(changed), census, approved, unproven))
    if action is Action.ASK:
        raise unapproved(store, target.space, target.dim, options)
    return action
