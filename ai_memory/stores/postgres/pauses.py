"""Keeps the pause of a database: while it lasts no run works on it and none begins."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.stores.own_row import OwnRow
from ai_memory.stores.values import TAKE_IT_OFF, Pause

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction

COLUMNS = ("paused_at", "until", "paused_by", "reason")
READ = f"SELECT {', '.join(COLUMNS)} FROM reembed_pause"
PAUSE = """
    INSERT INTO reembed_pause (only_row, paused_at, until, paused_by, reason)
    VALUES (1, %(at)s, %(until)s, %(by)s, %(reason)s)
    ON CONFLICT (only_row) DO UPDATE SET paused_at = excluded.paused_at, until = excluded.until,
        paused_by = excluded.paused_by, reason = excluded.reason
"""
TAKE_OFF = "DELETE FROM reembed_pause"


def standing(store: Store, *, now_ms: int) -> Pause | None:
    """Return the pause of the database, None where there is none or its time is over.

    Raises:
        DataRefused: a column of it is damaged.
    """
    rows = store.db.execute(READ)
    if not rows:
        return None
    row = OwnRow(store, "the pause", TAKE_IT_OFF, dict(zip(COLUMNS, rows[0], strict=True)))
    pause = Pause(row.time("paused_at"), row.time_or_none("until"), row.text("paused_by"), row.text("reason"))
    return pause if pause.until is None or pause.until > now_ms else None


def put(transaction: Transaction, pause: Pause) -> None:
    """Pause the database, in the place of a pause that stands."""
    transaction.db.execute(PAUSE, asdict(pause))


def take_off(transaction: Transaction) -> bool:
    """Lift the pause, whatever its row holds. Returns whether there was one."""
    return bool(transaction.db.change(TAKE_OFF))
