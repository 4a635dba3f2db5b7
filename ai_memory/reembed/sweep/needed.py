"""What a limit of tokens must allow for a start to get a row through, counted as that start itself will count it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.reembed.scope import Scope, namespaces_in_scope
from ai_memory.reembed.sources import FromText
from ai_memory.reembed.sweep.budget import Budget
from ai_memory.reembed.sweep.inherited import inherited
from ai_memory.reembed.sweep.scan import Scan, ScanOrder
from ai_memory.reembed.sweep.schedule import SMALL, Schedule
from ai_memory.vectors.target import Fingerprint

if TYPE_CHECKING:
    from ai_memory.embed.port import Spending
    from ai_memory.reembed.options import Options
    from ai_memory.reembed.tools import Tools
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Target


class Start(Frozen):
    """A start to come: in pages of `batch`, over `scope`, where `stale` rows are to be embedded at most.

    `run` is what it goes on with (None: it begins one). `lifts` says that rows in quarantine are tried again, `skips`
    that rows with the target's stamp are left. Requests carry `size` texts.
    """

    target: Fingerprint
    scope: Scope
    batch: int
    stale: int
    size: int
    run: Run | None = None
    lifts: bool = False
    skips: bool = False

    @property
    def most_again(self) -> int:
        """How many rows may be asked again beside its first page."""
        doubted = self.run is not None and self.run.counters.disagreed > 0
        # Of few rows above SMALL the most is asked again, and they get fewer.
        schedule = Schedule(rows=min(self.stale, SMALL + 1), batch=self.batch, doubted=doubted)
        return schedule.most_again(self.batch, size=self.size)


def unknown(target: Target) -> Fingerprint:
    """Return a target that a file has no record of: no row has a vector of it."""
    return Fingerprint(0, b"", "", target.space, target.dim, None)


def tokens_needed(store: Reader, start: Start, spending: Spending, *, begun: int | None = None) -> int:
    """Return what a limit must allow for a start to take up its first row, and to ask all that goes with it.

    `begun` is what it spends before that at most, as far as that is known. 0 where nothing is limited.
    """
    budget = Budget(spending)
    budget.asked_again = start.most_again
    budget.keep_for([each.document.text for each in inherited(store, start.target).rows] if start.target.id else ())
    return budget.needs(first_sent(store, start).text, begun=begun)


class Next(Frozen):
    """The start after one that has taken a run over `scope`, in which `stale` rows were to be embedded."""

    store: Reader
    options: Options
    tools: Tools
    scope: Scope
    stale: int

    def needs(self, run_id: int, target: Fingerprint, budget: Budget, *, idle: bool) -> int:
        """Return how many tokens it must be allowed for a row, 0 where they are not limited; `idle`: this did none."""
        spending, tools = self.tools.spending, self.tools
        if not spending or not spending.limit:
            return 0
        run, known = self.store.runs.read(run_id), self.store.targets.read(target.id)
        start = Start(
            known, self.scope, self.options.batch, self.stale, tools.ledger.inputs, run, skips=run.skip_current
        )
        begun = budget.next_begun
        # Where no row was done the next one may spend as much in vain.
        return tokens_needed(self.store, start, spending, begun=max(begun, spending.spent) if idle else begun)


class First(Frozen):
    """The text that a start sends first, empty where it sends none; `free`: before it a row is done for nothing."""

    text: str = ""
    free: bool = False


def first_sent(store: Reader, start: Start) -> First:
    """Return what a start sends first, as its own walk finds it."""
    checkpoints = store.runs.checkpoints(start.run) if start.run else {}
    source = FromText(skip_current=start.skips, heeds_quarantine=not start.lifts)
    order = ScanOrder(start.target, namespaces_in_scope(store, start.scope), checkpoints, batch=1, source=source)
    # What became stale behind the cursors is for another pass.
    here = _first(store, order)
    if here.text or here.free:
        return here
    return _first(store, replace(order, checkpoints={}))


def _first(store: Reader, order: ScanOrder) -> First:
    free = False
    for page in Scan(store, order, stopped=lambda: False).pages():
        free = free or page.stale > len(page.documents)
        if page.documents:
            return First(page.documents[0].text, free)
    return First(free=free)
