"""What a sweep works with; all of it differs between production and test."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random

from ai_memory.clock import Clock
from ai_memory.embed.port import ResilientEmbedder, Spending
from ai_memory.reembed.events import Observer
from ai_memory.reembed.ledger import Ledger
from ai_memory.reembed.stop import Stop
from ai_memory.reembed.work import Workers


@dataclass(frozen=True, slots=True)
class Tools:
    """The embedder, the time, the stop, and who observes it.

    `workers` makes the pool of those that embed pages. `pool` makes the executor in whose thread is asked before there
    are any. `spending` is what the embedder's requests are counted by, None where they have no limit. `beat_seconds` is
    the time between two signs of life while an answer is awaited. `chance` chooses the rows that are asked again.
    `ledger` is what all requests cost.
    """

    embedder: ResilientEmbedder
    clock: Clock
    stop: Stop
    observe: Observer
    workers: Callable[[], Workers]
    pool: Callable[[int], Executor] = ThreadPoolExecutor
    spending: Spending | None = None
    beat_seconds: float = 2.0
    chance: Random = field(default_factory=Random)
    ledger: Ledger = field(default_factory=Ledger)
