"""What a sweep works with; all of it differs between production and test."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen, field
from ai_memory.reembed.events import RequestsCounted, RowsLookedAt
from ai_memory.reembed.ledger import Ledger

if TYPE_CHECKING:
    from ai_memory.clock import Clock
    from ai_memory.embed.port import ResilientEmbedder, Spending
    from ai_memory.reembed.events import Observer
    from ai_memory.reembed.stop import Stop
    from ai_memory.reembed.work import Workers


class SweepTools(Frozen):
    """The time, the stop, and who observes it.

    `chance` chooses the rows that are asked again. `ledger` is what all requests cost. Replicas may be `max_lag`
    seconds behind (None: nobody asks).
    """

    clock: Clock
    stop: Stop
    observe: Observer
    chance: Random = field(default_factory=Random)
    ledger: Ledger = field(default_factory=Ledger)
    max_lag: float | None = None

    def tell_looked_at(self) -> None:
        """Tell the observer that some more rows were counted."""
        self.observe(RowsLookedAt())


class Tools(SweepTools, kw_only=True):
    """What an invocation of a run has beside that.

    `embedder` is asked before there are workers, in a thread of the executor that `pool` makes. `workers` makes the
    pool of those that embed pages. `spending` is what the embedder's requests are counted by, None where they have no
    limit. `beat_seconds` is the time between two signs of life while an answer is awaited.
    """

    embedder: ResilientEmbedder
    workers: Callable[[], Workers]
    pool: Callable[[int], Executor] = ThreadPoolExecutor
    spending: Spending | None = None
    beat_seconds: float = 2.0

    def tell_requests(self) -> None:
        """Tell the observer what requests came to, where an endpoint was asked."""
        if classes := self.embedder.meter.classes():
            self.observe(RequestsCounted(classes))
