"""Holds tables so that they can be altered, without keeping everybody waiting behind the wait for it.

Whoever waits for a table to alter it has all others queue behind. So each attempt is short, and others have their turn
between two (PostgreSQL, "Explicit Locking"; the times are those that tools for migrations of schemas use).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import NotFinished
from ai_memory.stores.postgres.transactions import savepoint

if TYPE_CHECKING:
    from ai_memory.stores.postgres.connection import Connection

ATTEMPT_MS, PAUSE_MS = 300, 200
LOCK = "LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"
FOR_THIS = "SELECT set_config('lock_timeout', %(ms)s, true)"
LET_OTHERS = "SELECT pg_sleep(%(seconds)s)"


def lock_tables(db: Connection, *tables: str) -> None:
    """Hold tables until the end of the open transaction.

    Raises:
        NotFinished: somebody held one of them for longer than the busy timeout.
    """
    attempts = max(db.options.busy_timeout_ms // (ATTEMPT_MS + PAUSE_MS), 1)
    for left in reversed(range(attempts)):
        try:
            with savepoint(db):
                db.execute(FOR_THIS, {"ms": str(ATTEMPT_MS)})
                db.execute(LOCK.format(tables=", ".join(tables)))
                db.execute(FOR_THIS, {"ms": str(db.options.busy_timeout_ms)})
        except NotFinished:
            if not left:
                raise
        else:
            return
        db.execute(LET_OTHERS, {"seconds": PAUSE_MS / 1_000})
