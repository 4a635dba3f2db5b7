"""`reembed quarantine` and `cancel`: the rows that a run left aside, and the end of a run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.errors import DataRefused, OperatorNeeded, StorageFailed
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.inspect.quarantined import QuarantinedRow, quarantined_rows, shortened
from ai_memory.reembed.plan.decide import WAYS_OUT_OF_SWITCHED
from ai_memory.reembed.sweep.staging import drop_staged
from ai_memory.reembed.way_on import way_on
from ai_memory.stores.opening import database
from ai_memory.text.amounts import counted
from ai_memory.text.hints import REEMBED

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.port import Reader

STAYS = "the vectors it wrote stay"


def run(verb: str, settings: Settings, console: Console) -> int:
    """Do what the verb says and return the exit code."""
    return {"quarantine": _quarantine, "cancel": _cancel}[verb](settings, console)


def _quarantine(settings: Settings, console: Console) -> int:
    with database(settings.db.value, tell=console.note).read() as store:
        rows, way = quarantined_rows(store), way_on(store, REEMBED, now_ms=SystemClock().now_ms())
    lines = [
        f"{printable(each.entry.id)}{_titled(each)} in {printable(each.entry.namespace)}: {each.entry.kind}, "
        f"{each.entry.message} ({counted(each.entry.attempts, 'attempt')})"
        for each in rows
    ]
    again = f"Try them again: {way} --retry-quarantined" if rows else "No row is in quarantine."
    console.result({"quarantined": len(rows), "rows": [each.values() for each in rows]}, *lines, again)
    return 0


def _titled(row: QuarantinedRow) -> str:
    return f" {shortened(row.title)}" if row.title and not row.title.isspace() else ""


def _cancel(settings: Settings, console: Console) -> int:
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
    if active and active.target is not None:
        raise OperatorNeeded(f"Run {active.run_id} is switched to: its vectors are served.", tip=WAYS_OUT_OF_SWITCHED)


def _nothing_to_cancel() -> OperatorNeeded:
    return OperatorNeeded("There is no unfinished run to cancel.", tip="See ai-memory reembed status")
