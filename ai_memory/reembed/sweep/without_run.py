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
from ai_memory.stores.values import NOTHING_KEPT

if TYPE_CHECKING:
    from ai_memory.reembed.sweep.inherited import Inherited
    from ai_memory.reembed.tools import SweepTools
    from ai_memory.reembed.work import Workers
    from ai_memory.stores.port import Store
    from ai_memory.stores.values import Place
    from ai_memory.vectors.target import Fingerprint


class WithoutRun:
    """Work that somebody waits for: `journal` has the rows that got no vector, `committer` what was written."""

    def __init__(  # noqa: PLR0913 - all that a sweep is made of
        self,
        store: Store,
        target: Fingerprint,
        tools: SweepTools,
        workers: Workers,
        *,
        origin: str,
        batch: int,
        rows: int = 0,
        before: Inherited | None = None,
        place: Place = NOTHING_KEPT,
    ) -> None:
        """Write vectors of `target` as `origin` to `place`, of `rows` that are embedded in pages of `batch`.

        `before` is what earlier work wrote that was not seen to be right; `place` says where what is replaced is kept.
        """
        self.journal = Unrecorded(origin, place)
        self.committer = Committer(store, self.journal, target, tools)
        signs, schedule, options = NoSigns(tools.stop), Schedule(rows=rows, batch=batch), Options(batch=batch)
        self.sweep = joined(self.committer, options, tools, workers, signs, schedule, before=before)
        self._store, self._stopped = store, tools.stop.requested

    def over(self, order: ScanOrder) -> None:
        """Sweep until the endpoint lied on no walk; what is set aside is that of the last one. See `Sweep.over`."""
        while not self._swept(Scan(self._store, order, stopped=self._stopped)):
            self.journal.aside.clear()

    def _swept(self, walk: Scan) -> bool:
        return self.sweep.over(walk, walk.budget)
