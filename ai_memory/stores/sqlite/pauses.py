"""Keeps the pause of a file: while it lasts no run works on the file and none begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.own_row import OwnRow
from ai_memory.stores.sqlite.own_row import selected
from ai_memory.stores.values import TAKE_IT_OFF, Pause

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store, Transaction

TEXTS = ("paused_by", "reason")
COLUMNS = ("paused_at", "until", *TEXTS)
READ = f"SELECT {selected(COLUMNS, TEXTS)} FROM reembed_pause"
PAUSE = """
    INSERT OR REPLACE INTO reembed_pause (only_row, paused_at, until, paused_by, reason) VALUES (1, ?, ?, ?, ?)
"""
TAKE_OFF = "DELETE FROM reembed_pause"


def standing(store: Store, *, now_ms: int) -> Pause | None:
    """Return the pause of the file, None where there is none or its time is over.

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
    """Pause the file, in the place of a pause that stands."""
    transaction.db.execute(PAUSE, (pause.at, pause.until, pause.by, pause.reason))


def take_off(transaction: Transaction) -> bool:
    """Lift the pause, whatever its row holds. Returns whether there was one."""
    return bool(transaction.db.change(TAKE_OFF))
