"""Holds the runner's lock for one invocation, or says who does."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from time import sleep

from ai_memory.errors import RunHeld, RunnerStuck
from ai_memory.reembed.breaker import believed_until
from ai_memory.stores.holder import Holder, LockState
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import reading
from ai_memory.stores.sqlite import runs
from ai_memory.stores.sqlite.lock import lock_mode, lock_path, lock_state, read_holder, runner_lock
from ai_memory.stores.sqlite.schema import require_known
from ai_memory.stores.values import Run

STUCK_MS = 10 * 60 * 1000
"""A holder of the lock without progress for this long is stuck; three deadlines of a request are less."""

NOTE_SECONDS = 0.2
"""How long a process that has just taken the lock may need to write who it is; it needs microseconds."""


@contextmanager
def holding(path: Path, *, now_ms: int, options: OpenOptions) -> Iterator[Holder]:
    """Hold the lock of an existing database inside the block; yields this process as its holder.

    Raises:
        DataRefused: the database is missing, unusable, or newer than this program.
        RunHeld: another live process holds the lock; RunnerStuck where that one makes no progress, or is not a runner.
    """
    # Before anything is made beside it: who writes the file looks again under the lock.
    with reading(path, options=options) as store:
        require_known(path, store.schema)
    with holding_damaged(path, now_ms=now_ms, options=options) as holder:
        yield holder


@contextmanager
def holding_damaged(path: Path, *, now_ms: int, options: OpenOptions) -> Iterator[Holder]:
    """Hold the lock as `holding` does, of a file that need be no sound database.

    Raises:
        RunHeld: another live process holds the lock; RunnerStuck where that one makes no progress.
    """
    holder = Holder(os.getpid(), socket.gethostname(), now_ms)
    with runner_lock(path, holder) as obtained:
        if not obtained:
            raise held(path, now_ms=now_ms, options=options)
        yield holder


def held(path: Path, *, now_ms: int, options: OpenOptions) -> RunHeld:
    """Return the error of whoever meets the lock held: by whom, and what to do."""
    holder = _settled_holder(path)
    if lock_state(path) is LockState.FREE:
        return RunHeld(f"The lock of {path} was held a moment ago.", tip="Run the same command again.")
    if holder is None or not holder.may_live() or lock_state(path) is LockState.READER:
        return _no_runner(path, holder)
    who = f"Process {holder.pid} on {holder.host}"
    with reading(path, options=options) as store:
        run = runs.unfinished_run(store)
    idle_ms = now_ms - last_sign(run, holder, now_ms=now_ms) if run and run.holder else 0
    if idle_ms > STUCK_MS:
        minutes = idle_ms // 60_000
        return RunnerStuck(
            f"{who} holds the lock of {path} and has made no progress for {minutes} minutes.",
            tip="Look at it and end it, then: ai-memory reembed --resume",
        )
    return RunHeld(f"{who} is re-embedding or restoring {path}.", tip="Watch it: ai-memory reembed status")


def _no_runner(path: Path, holder: Holder | None) -> RunnerStuck:
    """Return the error of a lock that no runner holds: what is known of who does, and how to find the process."""
    lock = lock_path(path)
    find = f"Find it: fuser -v {quote(str(lock))}"
    if lock_state(path) is LockState.READER:
        return RunnerStuck(
            f"{lock} is locked by a process that only reads it, which no runner does.",
            tip=f"{find}. Keep readers from the lock: chmod {lock_mode(path.stat()):o} {quote(str(lock))}",
        )
    last = f"process {holder.pid}, which took the lock last, is gone" if holder else "nothing says by whom"
    return RunnerStuck(f"{lock} is locked, and {last}.", tip=f"{find}, and end it")


def _settled_holder(path: Path) -> Holder | None:
    """Return who holds the lock, by its note; where that is of nobody who lives, the next one may just be writing."""
    holder = read_holder(path)
    if holder is None or not holder.may_live():
        sleep(NOTE_SECONDS)
        return read_holder(path)
    return holder


def last_sign(run: Run, holder: Holder | None, *, now_ms: int) -> int:
    """Return when the holder of the lock was last known to be at work; waiting for the endpoint is work."""
    # Until it takes the run, the row tells of its predecessor, who may have been killed long ago.
    sign = holder.started_at if holder and holder != run.holder else run.last_progress_at
    return max(sign, believed_until(run, now_ms=now_ms))
