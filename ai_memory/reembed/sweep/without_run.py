"""A sweep beside no run: of its work the file keeps nothing but what it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.reembed.heartbeat import NoSigns
from ai_memory.reembed.options import Options
from ai_memory.reembed.sweep.committer import Committer
from ai_memory.reembed.sweep.joined import joined
from ai_memory.reembed.sweep.journal import Unrecorded
from ai_memory.reembed.sweep.scan import Scan, ScanOrder
from ai_memory.reembed.sweep.schedule import Schedule

if TYPE_CHECKING:
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.reembed.work import Workers
    from ai_memory.stores.port import Store
    from ai_memory.vectors.target import Fingerprint


class WithoutRun:
    """Work that somebody waits for: `journal` has the rows that got no vector, `committer` what was written."""

    def __init__(
        self,
        store: Store,
        target: Fingerprint,
        tools: SweepTools,
        workers: Workers,
        *,
        origin: str,
        batch: int,
        rows: int = 0,
    ) -> None:
        """Write vectors of `target` as `origin`, of `rows` that are embedded in pages of `batch`."""
        self.journal = Unrecorded(origin)
        self.committer = Committer(store, self.journal, target, tools)
        signs, schedule, options = NoSigns(tools.stop), Schedule(rows=rows, batch=batch), Options(batch=batch)
        self.sweep = joined(self.committer, options, tools, workers, signs, schedule)
        self._store, self._stopped = store, tools.stop.requested

    def over(self, order: ScanOrder) -> bool:
        """Sweep over one walk, see `Sweep.over`; where that returns False the rows set aside are forgotten."""
        walk = Scan(self._store, order, stopped=self._stopped)
        if self.sweep.over(walk, walk.budget):
            return True
        self.journal.aside.clear()
        return False
