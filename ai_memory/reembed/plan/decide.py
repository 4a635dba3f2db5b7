"""Decides what a start does: the table of `--resume`, `--or-start` and `--retarget`, state by state.

A pure function of what was asked and what stands in the file, so that tests can walk the whole table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ai_memory.errors import OperatorNeeded, TargetChanged, UsageError
from ai_memory.reembed.scope import Scope, name_scope
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.plan.census import Census
    from ai_memory.stores.values import Run

WAYS_OUT = (
    "Continue it: ai-memory reembed --resume; replace it: ai-memory reembed --retarget; "
    "give it up: ai-memory reembed cancel"
)
WAYS_OUT_CHANGED = (
    "Replace it: ai-memory reembed --resume --retarget; give it up: ai-memory reembed cancel; "
    "or put the configuration back and continue it: ai-memory reembed --resume"
)

PAUSED = "Ask who paused it. To give it up and begin anew: ai-memory reembed cancel; then: ai-memory reembed"


class Action(Enum):
    """What a start does."""

    NOTHING = "nothing"
    FINISH = "finish"
    TAKE_OVER = "take over"
    START = "start"
    SUPERSEDE = "supersede"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a start finds.

    `run` is the unfinished run (None: none), `differences` the phrases in which its target differs from the
    configured one, `census` that of the rows against the configured target. `approved`: a person approved that target.
    """

    run: Run | None
    differences: tuple[str, ...]
    census: Census
    approved: bool = True


def asks_of_file(request: Options, run_scope: Scope) -> bool:
    """Return whether a start asks more than a run over `run_scope` can answer.

    With --or-start and no namespace it asks of the whole file; with --resume alone how the run stands.
    """
    return request.or_start and request.scope is None and run_scope is not None


def scope_of(request: Options, run: Run | None) -> Scope:
    """Return the namespaces to sweep: a resumed run goes on with its own, unless --retarget names others.

    Raises:
        UsageError: --resume was given another scope than the run's, or a --skip-current-space that it has not.
    """
    if run is None or not request.resume:
        return request.scope
    if request.skip_current and not run.skip_current and not request.retarget:
        raise UsageError(
            f"Run {run.run_id} was begun without --skip-current-space; --resume cannot add it.",
            tip="Leave it out, or start over with --retarget.",
        )
    if request.retarget and request.scope is not None:
        return request.scope
    if request.scope is not None and _scopes_differ(request.scope, run.scope):
        raise UsageError(
            f"Run {run.run_id} sweeps {name_scope(run.scope)}; --resume cannot give it another --namespace.",
            tip="Leave --namespace out, or start over with --retarget.",
        )
    return run.scope


def decide(request: Options, found: Situation) -> Action:
    """Return what to do; ASK where it is to begin a run that only a person may begin.

    Raises:
        OperatorNeeded: an unfinished, paused or ended run must not be touched without an operator's decision.
        TargetChanged: the configured target is not the unfinished run's.
    """
    action = _decided(request, found)
    begins = action in (Action.START, Action.SUPERSEDE)
    return Action.ASK if begins and request.or_start and not found.approved else action


def _decided(request: Options, found: Situation) -> Action:
    if found.run is None:
        return _without_run(request, found.census)
    if found.run.state == "paused":
        raise OperatorNeeded(f"Run {found.run.run_id} was paused by an operator.", tip=PAUSED)
    if found.differences:
        return _changed_target(request, found.run, found.differences)
    if request.retarget and _scopes_differ(scope_of(request, found.run), found.run.scope):
        return Action.SUPERSEDE
    if request.resume or request.retarget:
        return Action.TAKE_OVER if _work(request, found.census) else Action.FINISH
    raise OperatorNeeded(f"Run {found.run.run_id} is unfinished.", tip=WAYS_OUT)


def _scopes_differ(one: Scope, other: Scope) -> bool:
    return one != other if one is None or other is None else set(one) != set(other)


def _without_run(request: Options, census: Census) -> Action:
    if not _work(request, census):
        return Action.NOTHING
    if request.resume and not request.or_start and not request.retarget:
        raise OperatorNeeded(
            f"There is no run to resume, and {counted(census.stale, 'row is', 'rows are')} stale.",
            tip="Start one: ai-memory reembed",
        )
    return Action.START


def _work(request: Options, census: Census) -> bool:
    return bool(census.stale or (request.retry_quarantined and census.quarantined))


def _changed_target(request: Options, run: Run, differences: tuple[str, ...]) -> Action:
    if request.retarget:
        return Action.SUPERSEDE
    if not request.resume:
        raise OperatorNeeded(f"Run {run.run_id} towards another target is unfinished.", tip=WAYS_OUT_CHANGED)
    raise TargetChanged(
        f"The configured target is not that of run {run.run_id}: {'; '.join(differences)}.",
        tip="Correct the configuration, or switch to the new target: ai-memory reembed --resume --retarget",
    )
