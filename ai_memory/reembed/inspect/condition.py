"""What a recorded run is in: told by its row, its lock and the clock, without a look at the rows of the file."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ai_memory.errors import EmbedderInitFailed
from ai_memory.frozen import Frozen
from ai_memory.reembed.breaker import believed_until
from ai_memory.reembed.heartbeat import PAUSED
from ai_memory.reembed.holding import STUCK_MS, last_sign, runner_of
from ai_memory.stores.holder import Holder, LockState, Task

if TYPE_CHECKING:
    from ai_memory.reembed.plan.outlook import Outlook
    from ai_memory.stores.port import Lock
    from ai_memory.stores.values import LastEnd, Pause, Run

LONGEST_PAUSE_MS = 36 * 60 * 60_000
"""Where nothing was written for this long a run does not go on by itself: cron's starts are a night apart at most."""

HEALTHY, NEEDS_SOMEBODY, WAITING = 0, 1, 75
"""What `status --check` ends with."""

GOES_ON = frozenset({75, 130, 143})
"""Exit codes after which the next start goes on without a person."""
LOOK_FIRST = frozenset({"rows left", "budget too small"})
"""Reasons to end with 75 that a person has to look at all the same."""


class Condition(Enum):
    """What a run is in; the value is the word for it."""

    WORKING = "running"
    AWAITING = "waiting for the endpoint"
    HELD_UP = "held up"
    STUCK = "stuck"
    SHUT_OUT = "shut out"
    STOPPED = "stopped"
    KILLED = "interrupted"
    PAUSED = "paused"
    READY = "ready"
    SWITCHED = "switched"
    DONE = "done"
    UNSERVED = "given up"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


BY_STATE = {
    "paused": Condition.PAUSED,
    "ready": Condition.READY,
    "done": Condition.DONE,
    "cancelled": Condition.CANCELLED,
    "superseded": Condition.SUPERSEDED,
}
BY_THEMSELVES = frozenset({Condition.WORKING, Condition.AWAITING, Condition.HELD_UP})
BY_SOMEBODY = frozenset({Condition.STUCK, Condition.SHUT_OUT, Condition.READY})
GIVEN_UP = frozenset({Condition.CANCELLED, Condition.SUPERSEDED})
ENDED = frozenset({Condition.DONE, Condition.UNSERVED})
"""Ended without a person's word: the next start to the same target meets the same again."""


class Work(Frozen):
    """Who works on a run: the state of the lock, and the live process that holds it (None: none, or not known)."""

    lock: LockState
    held_by: Holder | None

    @property
    def going_on(self) -> bool:
        """Whether a runner is at work, as far as this user can tell."""
        # Whoever may not read the lock has the word of the run row, which stays after a kill.
        return self.lock is LockState.RUNNER or (self.lock is LockState.HIDDEN and self.held_by is not None)


def work_on(run: Run, lock: Lock) -> Work:
    """Return who works on a run."""
    return Work(lock.state, runner_of(run, lock))


def condition(run: Run, work: Work, pause: Pause | None, *, now_ms: int) -> Condition:
    """Return what `run` is in at `now_ms` (Unix milliseconds), with the `pause` that stands (None: none)."""
    if run.state not in ("running", "switched"):
        return Condition.UNSERVED if _never_served(run) else BY_STATE[run.state]
    if work.going_on:
        return _at_work(run, work.held_by, now_ms=now_ms)
    if pause:
        return Condition.PAUSED
    if work.lock is LockState.READER:
        return Condition.SHUT_OUT
    if run.state == "switched":
        return Condition.SWITCHED
    return Condition.KILLED if run.holder and not _left(run) else Condition.STOPPED


def _left(run: Run) -> bool:
    """Return whether the last runner left in good order.

    It takes its name off the row then, but where it gave up what it had in flight. It notes its end last of all.
    """
    return run.last_end is not None and run.last_end.at > run.last_progress_at


def _never_served(run: Run) -> bool:
    """Return whether a start gave up its own run, because nothing serves its target: no person did."""
    refused = run.last_end is not None and run.last_end.exit_code == EmbedderInitFailed.exit_code
    return refused and run.state == "cancelled" and not run.counters.reembedded


def _at_work(run: Run, holder: Holder | None, *, now_ms: int) -> Condition:
    if holder and holder.task is not Task.REEMBED:
        return Condition.HELD_UP
    if run.breaker_state == "open" and believed_until(run, now_ms=now_ms) > now_ms:
        return Condition.AWAITING
    idle = now_ms - last_sign(run, holder or run.holder, now_ms=now_ms)
    return Condition.STUCK if idle > STUCK_MS else Condition.WORKING


def _goes_on(end: LastEnd) -> bool:
    """Return whether the next start goes on after an end; after a pause that is over it does."""
    return end.reason == PAUSED or (end.exit_code in GOES_ON and end.reason not in LOOK_FIRST)


def verdict(
    run: Run, found: Condition, pause: Pause | None, outlook: Outlook, *, usable: bool, retargeted: bool, now_ms: int
) -> int:
    """Return HEALTHY, NEEDS_SOMEBODY or WAITING for a run in the condition `found`.

    `usable` says whether the configuration has an embedder, `retargeted` whether it is another than the run's.
    """
    if found is Condition.WORKING and not run.last_error:
        return HEALTHY
    if found in BY_THEMSELVES:
        # What was edited in the configuration since matters to the next start only.
        return _waiting(run, now_ms=now_ms)
    if pause:
        return _paused(pause, now_ms=now_ms)
    # What a rollback could not put back: the database refused it.
    refused = found is Condition.DONE and run.undoes and run.counted and run.counted.remaining
    if found in BY_SOMEBODY or refused or not usable:
        return NEEDS_SOMEBODY
    if found in ENDED or found in GIVEN_UP:
        # A rollback leaves what was there before, which is another target's.
        same = found in ENDED and not retargeted and not outlook.stale and run.undoes is None
        return _behind(found, outlook, same=same, since=run.finished_at or 0, now_ms=now_ms)
    if retargeted or (found is Condition.STOPPED and run.last_end and not _goes_on(run.last_end)):
        return NEEDS_SOMEBODY
    return _waiting(run, now_ms=now_ms)


def verdict_without_run(pause: Pause | None, outlook: Outlook, *, usable: bool, now_ms: int) -> int:
    """Return HEALTHY, NEEDS_SOMEBODY or WAITING for a file in which no run was ever begun."""
    if pause:
        return _paused(pause, now_ms=now_ms)
    return _begins(outlook, since=0, now_ms=now_ms) if usable else NEEDS_SOMEBODY


def _behind(found: Condition, outlook: Outlook, *, same: bool, since: int, now_ms: int) -> int:
    """Return the verdict after a run that is over; `same`: the next start would find what its last one left."""
    if same:
        return HEALTHY if found is Condition.DONE or outlook.complete else NEEDS_SOMEBODY
    return _begins(outlook, since=since, now_ms=now_ms)


def _begins(outlook: Outlook, *, since: int, now_ms: int) -> int:
    """Return the verdict where the next start begins a run, if it may and there is anything to do."""
    if outlook.complete:
        return HEALTHY
    if outlook.approved_at is None:
        return NEEDS_SOMEBODY
    return _unless_long(max(outlook.approved_at, since), now_ms=now_ms)


def _paused(pause: Pause, *, now_ms: int) -> int:
    return WAITING if pause.until else _unless_long(pause.at, now_ms=now_ms)


def _waiting(run: Run, *, now_ms: int) -> int:
    return _unless_long(max(run.last_written_at or 0, run.started_at), now_ms=now_ms)


def _unless_long(since: int, *, now_ms: int) -> int:
    """Return WAITING, or NEEDS_SOMEBODY where nothing has moved for too long."""
    return NEEDS_SOMEBODY if now_ms - since > LONGEST_PAUSE_MS else WAITING
