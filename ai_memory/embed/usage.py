"""What every embedder says of itself: the target of its vectors, and what was spent on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from enum import StrEnum
from threading import Lock, get_ident
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.errors import EmbedError


class RequestClass(StrEnum):
    """What came of a request to an endpoint: vectors, a refusal by its status, no whole answer, or no usable one."""

    OK = "ok"
    REFUSED = "4xx"
    RATE = "429"
    TROUBLE = "5xx"
    CONNECTION = "connection"
    UNUSABLE = "unusable"


def class_of(error: EmbedError) -> RequestClass:
    """Return what came of a request that ended in an error."""
    status = error.http_status
    if status is None:
        return RequestClass.CONNECTION
    if status == 429:
        return RequestClass.RATE
    if 400 <= status < 500:
        return RequestClass.REFUSED
    return RequestClass.TROUBLE if status >= 500 else RequestClass.UNUSABLE


class Usage(Frozen):
    """What requests used, as a value that travels: of a whole embedder, of one page, or the difference of two readings.

    `unreported_bytes` are those of texts whose answers did not say what they cost. A model on this machine `computed`
    tokens of texts, and `filling` ones beside them, in `seconds`. Requests to an endpoint were under way for `asking`
    seconds, and the rate that it allows held them back for `paced` seconds, each of them counted by itself.
    """

    requests: int = 0
    retries: int = 0
    texts_sent: int = 0
    tokens: int = 0
    unreported_bytes: int = 0
    computed: int = 0
    filling: int = 0
    seconds: float = 0.0
    asking: float = 0.0
    paced: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        """Return the sum, field by field."""
        return Usage(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Usage)))

    def __sub__(self, other: Usage) -> Usage:
        """Return what was used since `other` was read, field by field."""
        return Usage(*(getattr(self, each.name) - getattr(other, each.name) for each in fields(Usage)))


@dataclass(slots=True)
class Tally:
    """What one thread spent while it was counted."""

    usage: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class Meter:
    """What was spent on an embedder since the process began; any thread adds, anyone reads.

    It stays in its process: what travels is what was `spent`, which is one value, so that it is read at one moment.
    `failure` is what the last request came to where that may be retried, empty where it was answered. `reached` says
    that some request was sent, whatever became of it, or that a model was loaded: there is somebody to ask.
    """

    spent: Usage = field(default_factory=Usage)
    failure: str = ""
    reached: bool = False
    _classes: Counter[RequestClass] = field(default_factory=Counter, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)
    _tallies: dict[int, Tally] = field(default_factory=dict, repr=False, compare=False)

    def add(self, used: Usage) -> None:
        """Add what was used, safely from several threads at once."""
        with self._lock:
            self.spent += used
            if tally := self._tallies.get(get_ident()):
                tally.usage += used

    def count(self, what: RequestClass) -> None:
        """Count a request by what came of it, safely from several threads at once."""
        with self._lock:
            self._classes[what] += 1

    def classes(self) -> Mapping[RequestClass, int]:
        """Return how many requests came to what; empty where no endpoint was asked."""
        with self._lock:
            return dict(self._classes)

    @contextmanager
    def counting(self) -> Iterator[Tally]:
        """Count what the calling thread spends inside the block; an inner block's share is the inner one's alone."""
        ident, tally = get_ident(), Tally()
        before = self._tallies.get(ident)
        self._tallies[ident] = tally
        try:
            yield tally
        finally:
            if before:
                self._tallies[ident] = before
            else:
                del self._tallies[ident]
