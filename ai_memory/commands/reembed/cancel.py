"""`reembed cancel`: the end of a run that nobody wants to go on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.errors import DataRefused, OperatorNeeded, StorageFailed
from ai_memory.stores.opening import database

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def run_cancel(settings: Settings, console: Console) -> int:
    """Give up the unfinished run; the vectors that it wrote stay.

    Raises:
        OperatorNeeded: there is none.
    """
    file, now_ms = settings.db.value, SystemClock().now_ms()
    with database(file).read() as reader:
        if reader.runs.unfinished_id() is None:
            raise _nothing_to_cancel()
    # By its number alone: the row may hold what cannot be read, and this is the way out of it.
    with database(file, tell=console.note).write(now_ms=now_ms) as store:
        with store.transaction() as transaction:
            run_id = transaction.runs.cancel(now_ms=now_ms)
            if run_id is not None:
                # The next unattended start would else begin it anew.
                transaction.operator.withdraw(run_id)
        if run_id is None:
            raise _nothing_to_cancel()
        # It is given up. That its event cannot be entered takes nothing of that back.
        with suppress(DataRefused, StorageFailed), store.transaction() as transaction:
            transaction.runs.note_cancelled(run_id, now_ms=now_ms)
    console.result(
        {"run_id": run_id, "state": "cancelled"},
        f"Run {run_id} is cancelled; the vectors it wrote stay, and a process that still runs it commits nothing more.",
    )
    return 0


def _nothing_to_cancel() -> OperatorNeeded:
    return OperatorNeeded("There is no unfinished run to cancel.", tip="See ai-memory reembed status")
