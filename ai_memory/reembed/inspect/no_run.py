"""How a file stands in which no run was ever started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.reembed.inspect.condition import verdict_without_run
from ai_memory.reembed.plan.outlook import Outlook, outlook
from ai_memory.reembed.unfinished_copy import finishing
from ai_memory.reembed.way_on import steps_on
from ai_memory.text.hints import REEMBED

if TYPE_CHECKING:
    from ai_memory.reembed.plan.wanted import Wanted
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Pause


class NoRun(Frozen):
    """What the first start would meet; `verdict` is that of `status --check`, `next` the command to type, if any."""

    wanted: Wanted
    pause: Pause | None
    outlook: Outlook
    verdict: int
    next: str

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        pause = self.pause.values() if self.pause else None
        return {"run_id": None, "state": "none", "check": self.verdict, "pause": pause, "next": self.next}


def read_no_run(store: Reader, wanted: Wanted, *, now_ms: int) -> NoRun:
    """Return how a file without a run stands."""
    pause, found = store.operator.pause(now_ms=now_ms), outlook(store, None, wanted, now_ms=now_ms)
    verdict = verdict_without_run(pause, found, usable=wanted.usable, now_ms=now_ms)
    copy = finishing(store.name, pause)
    command = "" if found.complete and not pause else steps_on(None, pause, REEMBED, copy=copy)[0]
    return NoRun(wanted, pause, found, verdict, command)
