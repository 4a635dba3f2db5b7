"""How an embedder is asked for: on which terms, and tied to what in this process."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

from ai_memory.embed.awaited import Awaited
from ai_memory.embed.port import RetryPolicy, Stop, TokenLimit
from ai_memory.frozen import Frozen, field

if TYPE_CHECKING:
    from ai_memory.vectors.target import Target


class Terms(Frozen):
    """On which terms an endpoint is asked; with the settings it can be sent to another process.

    `concurrency` is the number of requests in flight (None: found by trial). `limit` is what may be spent (None: any
    amount). `batch` is the most texts of a request (None: as many as the endpoint takes). A local model computes on so
    many `threads` (0: as its engine decides by the cores that this process may use).
    """

    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    concurrency: int | None = None
    limit: TokenLimit | None = None
    batch: int | None = None
    threads: int = 0


class Ties(Frozen):
    """What ties an embedder to the process that asks it; none of it can be sent to another.

    `stop` ends waits, and no request begins while it is `closed` (None: once `stop` came). By `awaited` those in flight
    can be broken off. `witness` returns the vectors that the database knows of a local target's witness texts, as its
    fingerprint keeps them. `tell` is told what a person should know of the endpoint, `trace` of each request, from any
    thread.
    """

    stop: Stop = field(default_factory=Event)
    closed: Callable[[], bool] | None = None
    awaited: Awaited = field(default_factory=Awaited)
    witness: Callable[[Target], bytes | None] | None = None
    tell: Callable[[str], None] | None = None
    trace: Callable[[str], None] | None = None
