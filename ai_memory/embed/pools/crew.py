"""What an embedder that spreads its calls over workers must know of them, as values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen, field

if TYPE_CHECKING:
    from ai_memory.embed.pools.channel import Begin
    from ai_memory.embed.pools.straggling import Pace
    from ai_memory.embed.pools.worker import Worker
    from ai_memory.vectors.target import Vectors


MOST_CALLS = 4_096
"""Calls that run at once at most, each waited for by a thread, of workers that come to more and more room."""


class Words(Frozen):
    """What a worker is called, and what to do where one may have been short of memory."""

    one: str
    several: str
    short_of_memory: str


class Model(Frozen):
    """What each worker loads, as `begin` says then, and how many texts and calls it takes at once.

    `on_record` returns the witness vectors that the database knows of it, None where it knows none.
    """

    begin: Callable[[], Begin]
    at_once: int
    max_batch: int
    on_record: Callable[[], Vectors | None]


class Crew(Frozen):
    """So many workers, each made by `start`, of a model that takes `max_batch` texts in a call.

    By `pace` a call that is late is given to another worker, too (None: it is waited for). A worker of other weights
    ends the run; where `on_record` returns the witness vectors that are known (None: those of the first worker are
    right), it is asked no more, as long as there are others. `end` is called once all workers have ended. `spare`
    returns how many workers more there is room for, each time it is asked what is news (None: there never is more).
    """

    many: int
    start: Callable[[], Worker]
    at_once: int
    max_batch: int
    words: Words
    pace: Pace | None = None
    on_record: Callable[[], Vectors | None] | None = None
    end: Callable[[], None] = field(default=lambda: None)
    spare: Callable[[], int] | None = None

    @property
    def most_at_once(self) -> int:
        """How many calls may run at once, whatever room is found."""
        return max(self.many * self.at_once, MOST_CALLS if self.spare else 0)
