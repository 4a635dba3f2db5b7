"""Measures how long the texts of a run's rows are, and what of them its model does not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.memory.freshness import Document, examine
from ai_memory.reembed.inspect.account import Lengths
from ai_memory.reembed.plan.estimate import Load
from ai_memory.reembed.scope import in_scope

if TYPE_CHECKING:
    from ai_memory.reembed.scope import Scope
    from ai_memory.stores.port import Reader, Snapshot


@dataclass(frozen=True, slots=True)
class Reading:
    """How texts are read by the model of the run: `max_tokens` of one (0: not known), as `count_tokens` counts them.

    Without `count_tokens` tokens are estimated, see `plan.estimate.Load`.
    """

    max_tokens: int = 0
    count_tokens: Callable[[str], int] | None = None


def measure_lengths(store: Reader, scope: Scope, reading: Reading) -> Lengths | None:
    """Return how long the texts of all live rows in `scope` are, None where no row has a text."""

    def read(snapshot: Snapshot) -> Lengths | None:
        load, by_power, rows = Load(reading.max_tokens, reading.count_tokens), Counter[int](), 0
        for row in snapshot.rows(target=None, only=scope):
            if not row.live or not in_scope(row.namespace, scope) or not isinstance(found := examine(row), Document):
                continue
            before = load.tokens
            load.add(found)
            by_power[(load.tokens - before).bit_length()] += 1
            rows += 1
        exact = reading.count_tokens is not None
        counts = dict(sorted(by_power.items()))
        return Lengths(rows, load.tokens, counts, load.max_tokens, load.truncated, load.lost, exact) if rows else None

    return store.consistently(read)
