"""`reembed quarantine`: the rows that a run left aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.memory.text_codec import printable
from ai_memory.reembed.inspect.quarantined import QuarantinedRow, quarantined_rows, shortened
from ai_memory.reembed.way_on import way_on
from ai_memory.stores.opening import database
from ai_memory.text.amounts import counted
from ai_memory.text.hints import GO_ON, REEMBED, SWITCH

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def run_quarantine(settings: Settings, console: Console) -> int:
    """Show the rows, each with its title and the reason."""
    with database(settings.db.value, tell=console.note).read() as store:
        rows, run = quarantined_rows(store), store.runs.unfinished()
        ready = run is not None and run.state == "ready"
        way = GO_ON if ready else way_on(store, REEMBED, now_ms=SystemClock().now_ms())
    lines = [
        f"{printable(each.entry.id)}{_titled(each)} in {printable(each.entry.namespace)}: {each.entry.kind}, "
        f"{each.entry.message} ({counted(each.entry.attempts, 'attempt')})"
        for each in rows
    ]
    again = f"Try them again: {way} --retry-quarantined" if rows else "No row is in quarantine."
    without = [f"Or switch to the run without them: {SWITCH} --accept-quarantined"] if rows and ready else []
    console.result({"quarantined": len(rows), "rows": [each.values() for each in rows]}, *lines, again, *without)
    return 0


def _titled(row: QuarantinedRow) -> str:
    return f" {shortened(row.title)}" if row.title and not row.title.isspace() else ""
