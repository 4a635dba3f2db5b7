"""`reembed cancel`: the end of a run that nobody wants to go on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.errors import DataRefused, OperatorNeeded, StorageFailed
from ai_memory.reembed.plan.decide import WAYS_OUT_OF_SWITCHED
from ai_memory.reembed.sweep.staging import drop_staged
from ai_memory.stores.opening import database
from ai_memory.text.amounts import counted
from ai_memory.text.hints import GO_ON

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.port import Reader

STAYS = "the vectors it wrote stay"


def run_cancel(settings: Settings, console: Console) -> int:
    """Give up the unfinished run; the vectors that it wrote stay, those beside the memories are dropped.

    Raises:
        OperatorNeeded: there is none, or its vectors are served.
    """
    file, now_ms = settings.db.value, SystemClock().now_ms()
    with database(file).read() as reader:
        if reader.runs.unfinished_id() is None:
            raise _nothing_to_cancel()
    # By its number alone: the row may hold what cannot be read, and this is the way out of it.
    with database(file, tell=console.note).write(now_ms=now_ms) as store:
        with store.transaction() as transaction:
            _require_not_served(transaction.reader)
            run_id = transaction.runs.cancel(now_ms=now_ms)
            transaction.staging.serve_own()
            if run_id is not None:
                # The next unattended start would else begin it anew.
                transaction.operator.withdraw(run_id)
        if run_id is None:
            raise _nothing_to_cancel()
        # It is given up. That its event cannot be entered takes nothing of that back.
        with suppress(DataRefused, StorageFailed), store.transaction() as transaction:
            transaction.runs.note_cancelled(run_id, now_ms=now_ms)
        dropped = drop_staged(store)
    wrote = f"what it had put beside {counted(dropped, 'memory', 'memories')} is dropped" if dropped else STAYS
    told = f"Run {run_id} is cancelled; {wrote}, and a process that still runs it commits nothing more."
    console.result({"run_id": run_id, "state": "cancelled", "dropped": dropped}, told)
    return 0


def _require_not_served(reader: Reader) -> None:
    """Refuse to give up a run whose vectors are served."""
    active = reader.targets.staged.active()
    if active and active.target is None:
        what = (
            f"What was served before run {active.run_id} is served again, and being put back: without that it is gone."
        )
        raise OperatorNeeded(what, tip=f"Finish it: {GO_ON}")
    if active:
        raise OperatorNeeded(f"Run {active.run_id} is switched to: its vectors are served.", tip=WAYS_OUT_OF_SWITCHED)


def _nothing_to_cancel() -> OperatorNeeded:
    return OperatorNeeded("There is no unfinished run to cancel.", tip="See ai-memory reembed status")
