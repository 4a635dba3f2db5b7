"""Decides what a start does: the table of `--resume`, `--or-start` and `--retarget`, state by state.

A pure function of what was asked and what stands in the file, so that tests can walk the whole table.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ai_memory.errors import OperatorNeeded, TargetChanged, UsageError
from ai_memory.frozen import Frozen
from ai_memory.reembed.scope import Scope, name_scope
from ai_memory.stores.values import NAMESPACE
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

START_ONE = "Start one: ai-memory reembed"
UNPROVEN = "nothing shows yet that their vectors are right"
"""Of rows that were written in a start that was cut off, or stopped before its end."""

WAYS_OUT_OF_READY = "Serve its vectors: ai-memory reembed switch; give it up, and drop them: ai-memory reembed cancel"
WAYS_OUT_OF_SWITCHED = (
    "Finish it: ai-memory reembed --resume; serve what was served before: ai-memory reembed switch --back"
)
WAYS_OUT_OF_ROLLBACK = "Finish it: ai-memory reembed --resume; give it up: ai-memory reembed cancel"

NAME_THEM = "Say in [embeddings.previous] what made them; or replace them in place: ai-memory reembed"
PAUSED = "Ask who paused it. To give it up and begin anew: ai-memory reembed cancel; then: ai-memory reembed"


class Action(Enum):
    """What a start does."""

    NOTHING = "nothing"
    FINISH = "finish"
    TAKE_OVER = "take over"
    START = "start"
    SUPERSEDE = "supersede"
    ASK = "ask"


class Situation(Frozen):
    """What a start finds.

    `run` is the unfinished run (None: none), `differences` the phrases in which its target differs from the
    configured one, `census` that of the rows against the configured target. `approved`: a person approved that target.
    `unproven`: vectors of the configured target were written that no end has shown to be right.
    """

    run: Run | None
    differences: tuple[str, ...]
    census: Census
    approved: bool = True
    unproven: bool = False


def asks_of_file(options: Options, run_scope: Scope) -> bool:
    """Return whether a start asks more than a run over `run_scope` can answer.

    With --or-start and no namespace it asks of the whole file; with --resume alone how the run stands.
    """
    return options.or_start and options.scope is None and run_scope is not None


def scope_of(options: Options, run: Run | None) -> Scope:
    """Return the namespaces to sweep: a resumed run goes on with its own, unless --retarget names others.

    Raises:
        UsageError: --resume was given another scope than the run's, or a --skip-current-space that it has not.
    """
    if run is None or not options.resume:
        return options.scope
    if options.staged and not run.staged and not options.retarget:
        raise UsageError(
            f"Run {run.run_id} was begun without --staged; --resume cannot add it.",
            tip="Leave it out, or start over with --retarget.",
        )
    if options.skip_current and not run.skip_current and not options.retarget:
        raise UsageError(
            f"Run {run.run_id} was begun without --skip-current-space; --resume cannot add it.",
            tip="Leave it out, or start over with --retarget.",
        )
    if options.retarget and options.scope is not None:
        return options.scope
    if options.scope is not None and _scopes_differ(options.scope, run.scope):
        raise UsageError(
            f"Run {run.run_id} sweeps {name_scope(run.scope)}; --resume cannot give it another --namespace.",
            tip="Leave --namespace out, or start over with --retarget.",
        )
    return run.scope


def order_of(options: Options, run: Run | None) -> str:
    """Return how to walk: as the unfinished run does, unless another order is named, which only --retarget may.

    Raises:
        UsageError: --resume was given another order than the run's.
    """
    if run is None:
        return options.order or NAMESPACE
    if options.resume and not options.retarget and options.order not in (None, run.order):
        raise UsageError(
            f"Run {run.run_id} was begun with --order {run.order}; --resume cannot change it.",
            tip="Leave --order out, or start over with --retarget.",
        )
    return options.order or run.order


def decide(options: Options, found: Situation) -> Action:
    """Return what to do; ASK where it is to begin a run that only a person may begin.

    Raises:
        OperatorNeeded: an unfinished, paused or ended run must not be touched without an operator's decision; or the
            run is to be staged, and nothing tells what made the vectors that are served until it is switched to.
        TargetChanged: the configured target is not the unfinished run's.
    """
    action = _decided(options, found)
    begins = action in (Action.START, Action.SUPERSEDE)
    if begins and options.staged and not options.claims_unstamped and (rows := found.census.unstamped):
        raise OperatorNeeded(
            f"{counted(rows, 'row has a vector', 'rows have vectors')} of which nothing tells what made them: "
            "once a run is begun they are found by their words only, before it is switched to.",
            tip=NAME_THEM,
        )
    return Action.ASK if begins and options.or_start and not found.approved else action


def _decided(options: Options, found: Situation) -> Action:
    if found.run is None:
        return _without_run(options, found)
    if found.run.undoes:
        raise OperatorNeeded(f"Run {found.run.run_id}, a rollback, is unfinished.", tip=WAYS_OUT_OF_ROLLBACK)
    if found.run.state == "paused":
        raise OperatorNeeded(f"Run {found.run.run_id} was paused by an operator.", tip=PAUSED)
    if found.run.state == "switched":
        what = f"Run {found.run.run_id} is switched to, and not all of its vectors are moved."
        raise OperatorNeeded(what, tip=WAYS_OUT_OF_SWITCHED)
    if found.run.state == "ready" and not _reopens(options, found):
        what = f"Run {found.run.run_id} is ready: its vectors stand beside those that are served."
        raise OperatorNeeded(what, tip=WAYS_OUT_OF_READY)
    if found.differences:
        return _changed_target(options, found.run, found.differences)
    if options.retarget and _differs(options, found.run):
        return Action.SUPERSEDE
    if options.resume or options.retarget:
        return Action.TAKE_OVER if _work(options, found.census) or found.unproven else Action.FINISH
    raise OperatorNeeded(f"Run {found.run.run_id} is unfinished.", tip=WAYS_OUT)


def _reopens(options: Options, found: Situation) -> bool:
    """Return whether a start goes on with a run that is ready, or replaces it."""
    tries_again = options.resume and options.retry_quarantined and found.census.quarantined
    return options.last_pass or (options.retarget if found.differences else bool(tries_again))


def _differs(options: Options, run: Run) -> bool:
    """Return whether a start asks for other rows, another order or another place than the run's."""
    return (
        options.staged != run.staged
        or order_of(options, run) != run.order
        or _scopes_differ(scope_of(options, run), run.scope)
    )


def _scopes_differ(one: Scope, other: Scope) -> bool:
    return one != other if one is None or other is None else set(one) != set(other)


def _without_run(options: Options, found: Situation) -> Action:
    if not _work(options, found.census) and not found.unproven:
        return Action.NOTHING
    if options.resume and not options.or_start and not options.retarget:
        raise OperatorNeeded(f"There is no run to resume, and {_left(found)}.", tip=START_ONE)
    return Action.START


def _left(found: Situation) -> str:
    """Return what there is to do, in words."""
    if found.unproven:
        return f"of the rows written last {UNPROVEN}"
    stale, aside = found.census.stale, found.census.quarantined
    if stale or not aside:
        return f"{counted(stale, 'row is', 'rows are')} stale"
    return f"{counted(aside, 'row is', 'rows are')} in quarantine"


def _work(options: Options, census: Census) -> bool:
    return bool(census.stale or (options.retry_quarantined and census.quarantined))


def _changed_target(options: Options, run: Run, differences: tuple[str, ...]) -> Action:
    if options.retarget:
        return Action.SUPERSEDE
    if not options.resume:
        raise OperatorNeeded(f"Run {run.run_id} to another target is unfinished.", tip=WAYS_OUT_CHANGED)
    raise TargetChanged(
        f"The configured target is not that of run {run.run_id}: {'; '.join(differences)}.",
        tip="Correct the configuration, or leave it for the new target: ai-memory reembed --resume --retarget",
    )
