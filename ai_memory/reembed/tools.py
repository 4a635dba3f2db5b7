"""What a sweep works with; all of it differs between production and test."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from functools import partial
from random import Random

from ai_memory.clock import Clock
from ai_memory.embed.port import PatientEmbedder
from ai_memory.embed.spending import Spending
from ai_memory.embed.threads import ThreadPool
from ai_memory.reembed.ledger import Ledger
from ai_memory.reembed.progress import Progress
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.work import Workers
from ai_memory.reembed.worker import answer


@dataclass(frozen=True, slots=True)
class Tools:
    """The embedder, the time, the stop, and who hears of it.

    `pool` makes the executor of so many threads in which requests run; `workers` makes the pool of those that embed
    pages (None: such threads). `ledger` is what all requests cost. `spending` is what the embedder's requests are
    counted by, None where they have no limit. `beat_seconds` is the time between two signs of life while an answer is
    awaited. `chance` chooses the rows that are asked again.
    """

    embedder: PatientEmbedder
    clock: Clock
    stop: Stop
    progress: Progress
    pool: Callable[[int], Executor] = ThreadPoolExecutor
    spending: Spending | None = None
    beat_seconds: float = 2.0
    chance: Random = field(default_factory=Random)
    workers: Callable[[], Workers] | None = None
    ledger: Ledger = field(default_factory=Ledger)

    def open_workers(self) -> AbstractContextManager[Workers]:
        """Return the workers for a block."""
        if self.workers:
            self.ledger.pay_with(self.embedder.meter)
            return closing(self.workers())
        return closing(ThreadPool(self.embedder, partial(answer, stop=self.stop), executor=self.pool))
