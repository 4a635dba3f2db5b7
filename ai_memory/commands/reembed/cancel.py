"""`reembed cancel`: the end of a run that nobody wants to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.actions.cancel import cancel
from ai_memory.clock import SystemClock
from ai_memory.stores.opening import database
from ai_memory.text.amounts import counted

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console

STAYS = "the vectors it wrote stay"


def run_cancel(settings: Settings, console: Console) -> int:
    """Give up the unfinished run; see `actions.cancel`, which also says what is raised."""
    found = cancel(database(settings.db.value, tell=console.note), now_ms=SystemClock().now_ms())
    beside = f"what it had put beside {counted(found.dropped, 'memory', 'memories')} is dropped"
    wrote = beside if found.dropped else STAYS
    told = f"Run {found.run_id} is cancelled; {wrote}, and a process that still runs it commits nothing more."
    console.result(found.values(), told)
    return 0
