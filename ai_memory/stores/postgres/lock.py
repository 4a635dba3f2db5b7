"""The runner's lock: one advisory lock of a session of its own, which is free as soon as its process is gone.

It is asked for without waiting: who waits for one in a statement keeps CREATE INDEX CONCURRENTLY of its holder waiting,
too. Who holds it says so in the statement that took it: pg_stat_activity shows that as long as the session lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ai_memory.stores.holder import Holder, LockState

if TYPE_CHECKING:
    from ai_memory.stores.postgres.connection import Connection

KEY = 0x41494D52554E4E52
"""Of the runner's advisory lock; the Rust program's own, of its migrations, is 0x41494D454D494701."""
NOTE = "/* ai-memory runner "
TAKE = f"SELECT pg_try_advisory_lock({KEY}) {NOTE}{{holder}} */"
STAY = """
    SELECT set_config('idle_session_timeout', '0', false)
    WHERE current_setting('idle_session_timeout', true) IS NOT NULL
"""
HELD = f"""
    SELECT a.query FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
    LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database() AND l.objsubid = 1
        AND l.classid::bigint = {KEY >> 32} AND l.objid::bigint = {KEY & 0xFFFFFFFF}
"""
FIND = "SELECT pid, client_addr, query FROM pg_stat_activity WHERE query LIKE '%ai-memory runner%'"


@contextmanager
def runner_lock(db: Connection, holder: Holder) -> Iterator[bool]:
    """Hold the runner's lock inside the block; yields False, without waiting, where another session has it.

    The connection is the lock's own: nothing else is run on it.
    """
    db.execute(STAY)
    yield bool(db.value(TAKE.format(holder=_as_comment(holder))))


def lock_state(db: Connection) -> tuple[LockState, Holder | None]:
    """Return the state of the lock, and who holds it as far as this user may know; takes nothing."""
    rows = db.execute(HELD)
    if not rows:
        return LockState.FREE, None
    return LockState.RUNNER, _holder_of(rows[0][0])


def _as_comment(holder: Holder) -> str:
    # JSON escapes neither of the two marks that end a comment or begin another one, but it may escape a stroke.
    return holder.to_json().replace("/", "\\/")


def _holder_of(query: str | None) -> Holder | None:
    note = (query or "").partition(NOTE)[2].rpartition(" */")[0]
    try:
        return Holder.from_json(note)
    except ValueError:
        return None
