"""Holds the runner's lock for one invocation, or says who does."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import TYPE_CHECKING

from ai_memory.errors import RunHeld, RunnerStuck
from ai_memory.reembed.breaker import believed_until
from ai_memory.stores.holder import Holder, LockState, Task

if TYPE_CHECKING:
    from ai_memory.stores.port import Database, Lock
    from ai_memory.stores.values import Run

STUCK_MS = 10 * 60 * 1000
"""A holder of the lock without progress for this long is stuck; three deadlines of a request are less (2026-11-23)."""

NOTE_SECONDS = 0.2
"""How long a process that has just taken the lock may need to write who it is; it needs microseconds."""


@contextmanager
def holding(database: Database, *, now_ms: int, task: Task = Task.REEMBED, damaged: bool = False) -> Iterator[Holder]:
    """Hold the lock of an existing database inside the block, for `task`; yields this process as its holder.

    With `damaged` it need not be a sound database.

    Raises:
        DataRefused: the database is missing, unusable, or newer than this program.
        RunHeld: another live process holds the lock; RunnerStuck where that one makes no progress, or is not a runner.
    """
    holder = Holder(os.getpid(), socket.gethostname(), now_ms, task)
    with database.hold(holder, damaged=damaged) as obtained:
        if not obtained:
            raise held(database, now_ms=now_ms)
        yield holder


def held(database: Database, *, now_ms: int) -> RunHeld:
    """Return the error of whoever meets the lock held: by whom, and what to do."""
    lock = _settled(database)
    holder = lock.holder
    if lock.state is LockState.FREE:
        return RunHeld(f"The lock of {database.name} was held a moment ago.", tip="Run the same command again.")
    if holder is None or not holder.may_live() or lock.state is LockState.READER:
        return _no_runner(lock)
    who = f"Process {holder.pid} on {holder.host}"
    if holder.task is not Task.REEMBED:
        return RunHeld(
            f"{who} is at work on {database.name}: ai-memory {holder.task}.",
            tip="When it has ended, run the same command again.",
        )
    with database.read() as store:
        run = store.runs.unfinished()
    idle_ms = now_ms - last_sign(run, holder, now_ms=now_ms) if run and run.holder else 0
    if idle_ms > STUCK_MS:
        minutes = idle_ms // 60_000
        return RunnerStuck(
            f"{who} holds the lock of {database.name} and has made no progress for {minutes} minutes.",
            tip="Look at it and end it, then: ai-memory reembed --resume",
        )
    return RunHeld(f"{who} is at work on the vectors of {database.name}.", tip="Watch it: ai-memory reembed status")


def runner_of(run: Run, lock: Lock) -> Holder | None:
    """Return the live process that runs the job, None where there is none or it is not known."""
    holder = run.holder if lock.state is LockState.HIDDEN else lock.holder
    known = lock.state in (LockState.HIDDEN, LockState.RUNNER)
    return holder if known and holder and holder.may_live() else None


def _no_runner(lock: Lock) -> RunnerStuck:
    """Return the error of a lock that no runner holds: what is known of who does, and how to find the process."""
    find = f"Find it: {lock.find}"
    if lock.state is LockState.READER:
        return RunnerStuck(
            f"{lock.name} is locked by a process that only reads it, which no runner does.",
            tip=f"{find}. Keep readers from the lock: {lock.share}",
        )
    last = f"process {lock.holder.pid}, which took the lock last, is gone" if lock.holder else "nothing says by whom"
    return RunnerStuck(f"{lock.name} is locked, and {last}.", tip=f"{find}, and end it")


def _settled(database: Database) -> Lock:
    """Return what is told of the lock; where its note is of nobody who lives, the next one may just be writing."""
    lock = database.lock()
    if lock.holder is None or not lock.holder.may_live():
        sleep(NOTE_SECONDS)
        return database.lock()
    return lock


def last_sign(run: Run, holder: Holder | None, *, now_ms: int) -> int:
    """Return when the holder of the lock was last known to be at work; waiting for the endpoint is work."""
    # Until it takes the run, the row tells of its predecessor, who may have been killed long ago.
    sign = holder.started_at if holder and holder != run.holder else run.last_progress_at
    return max(sign, believed_until(run, now_ms=now_ms))
