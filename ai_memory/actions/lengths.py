"""Measures how long the texts of a run's rows are, and what of them its model does not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Document, examine
from ai_memory.reembed.inspect.account import Lengths
from ai_memory.reembed.plan.estimate import Load
from ai_memory.reembed.scope import in_scope

if TYPE_CHECKING:
    from ai_memory.memory.row import MemoryRow
    from ai_memory.reembed.scope import Scope
    from ai_memory.stores.port import Reader, Snapshot


class Reading(Frozen):
    """How texts are read by the model of the run: `max_tokens` of one (0: not known), as `count_tokens` counts them.

    Without `count_tokens` tokens are estimated, see `plan.estimate.Load`.
    """

    max_tokens: int = 0
    count_tokens: Callable[[str], int] | None = None


class LengthsOfTexts:
    """How long the texts of rows are, row by row."""

    def __init__(self, reading: Reading) -> None:
        """Begin with no row; texts are read as `reading` says."""
        self._reading = reading
        self.begin()

    def begin(self) -> None:
        """Forget every row: they are read anew."""
        self._load = Load(self._reading.max_tokens, self._reading.count_tokens)
        self._by_power = Counter[int]()

    def add(self, row: MemoryRow) -> None:
        """Measure the text of a row, if it has one."""
        if isinstance(found := examine(row), Document):
            before = self._load.tokens
            self._load.add(found)
            self._by_power[(self._load.tokens - before).bit_length()] += 1

    def add_all(self, store: Reader, scope: Scope) -> None:
        """Measure the texts of all live rows in `scope`, in one state of the database."""

        def read(snapshot: Snapshot) -> None:
            self.begin()
            for row in snapshot.rows(target=None, only=scope):
                if row.live and in_scope(row.namespace, scope):
                    self.add(row)

        store.consistently(read)

    def found(self) -> Lengths | None:
        """Return how long they are, None where no row has a text."""
        rows, load, counts = self._by_power.total(), self._load, dict(sorted(self._by_power.items()))
        if not rows:
            return None
        exact = self._reading.count_tokens is not None
        return Lengths(rows, load.tokens, counts, load.max_tokens, load.truncated, load.lost, exact)
