"""What vectors were written that no end has shown to be right, and what it takes to ask for some of them again."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from ai_memory.memory.freshness import Document, examine
from ai_memory.reembed.doubt import MOST, most_asked
from ai_memory.reembed.plan.estimate import Load

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Fingerprint


@dataclass(frozen=True, slots=True)
class InDoubt:
    """So many `rows`; to find out about them so many `texts` are sent at most, with about so many `tokens`."""

    rows: int = 0
    texts: int = 0
    tokens: int = 0

    @property
    def asked(self) -> int:
        """How many of the rows are asked for again."""
        return min(self.rows, MOST)


def in_doubt(store: Reader, target: Fingerprint | None, *, count_tokens: Callable[[str], int] | None = None) -> InDoubt:
    """Return what is in doubt of a target; nothing where the file has no record of it."""
    ids = store.targets.unproven(target) if target else []
    if not ids:
        return InDoubt()
    texts, load = most_asked(len(ids)), Load(0, count_tokens)
    some = [examine(row) for row in store.memories.rows_by_id(ids[:: ceil(len(ids) / MOST)], target=None)]
    documents = [each for each in some if isinstance(each, Document)]
    for each in documents:
        load.add(each)
    return InDoubt(len(ids), texts, ceil(load.tokens * texts / max(len(documents), 1)))
