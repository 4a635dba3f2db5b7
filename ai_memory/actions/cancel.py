"""The end of a run that nobody wants to go on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, OperatorNeeded, StorageFailed
from ai_memory.frozen import Frozen
from ai_memory.reembed.plan.decide import WAYS_OUT_OF_SWITCHED
from ai_memory.reembed.sweep.staging import drop_staged
from ai_memory.text.hints import GO_ON

if TYPE_CHECKING:
    from ai_memory.stores.port import Database, Reader


class Cancelled(Frozen):
    """The run that was given up, and how many vectors that stood beside their memories are dropped by that."""

    run_id: int
    dropped: int

    def values(self) -> dict[str, object]:
        """Return the result as a program reads it."""
        return {"run_id": self.run_id, "state": "cancelled", "dropped": self.dropped}


def cancel(database: Database, *, now_ms: int) -> Cancelled:
    """Give up the unfinished run; the vectors that it wrote stay, those beside the memories are dropped.

    Raises:
        OperatorNeeded: there is none, or its vectors are served.
    """
    # First read-only: a database in which there is nothing to give up stays as it is.
    with database.read() as reader:
        if reader.runs.unfinished_id() is None:
            raise _nothing_to_cancel()
    # By its number alone: the row may hold what cannot be read, and this is the way out of it.
    with database.write(now_ms=now_ms) as store:
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
        return Cancelled(run_id, drop_staged(store))


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
