"""Tells how far the replicas of a server are behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.memory.text_codec import printable

if TYPE_CHECKING:
    from ai_memory.stores.postgres.connection import Connection

# Positions in the log, in bytes. Who may not see them sees that there are replicas, and nothing of these.
POSITIONS = """
    SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, min(pg_wal_lsn_diff(replay_lsn, '0/0'))::bigint,
        count(*) FILTER (WHERE state IS NULL), count(replay_lsn), quote_ident(current_user)
    FROM pg_stat_replication WHERE state IS NULL OR state IN ('streaming', 'catchup')
"""


def replicated(db: Connection) -> tuple[int, int] | None:
    """Return how far the log is written, and how far the last of the replicas has replayed it; None: there is none.

    Raises:
        DataRefused: this user may not see it.
    """
    written, replayed, hidden, known, user = db.execute(POSITIONS)[0]
    if hidden:
        raise DataRefused(
            f"{db.name} has replicas, and this user may not see how far they are behind.",
            tip=f"Leave --max-lag out, or as the owner of the server: GRANT pg_read_all_stats TO {printable(user)}",
        )
    return (int(written), int(replayed)) if known else None
