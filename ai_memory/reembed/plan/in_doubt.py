"""What vectors were written that no end has shown to be right, and what it takes to ask for some of them again."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Document, examine
from ai_memory.reembed.doubt import MOST, most_asked
from ai_memory.reembed.plan.at_hand import AtHand
from ai_memory.reembed.plan.estimate import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Fingerprint


NOTHING_AT_HAND = AtHand()


class InDoubt(Frozen):
    """So many `rows`, of which some are `asked` for again; to find out about them so many `texts` are sent at most.

    They have about so many `tokens`.
    """

    rows: int = 0
    asked: int = 0
    texts: int = 0
    tokens: int = 0

    def __add__(self, other: InDoubt) -> InDoubt:
        """Return the sum."""
        rows, asked = self.rows + other.rows, self.asked + other.asked
        return InDoubt(rows, asked, self.texts + other.texts, self.tokens + other.tokens)


def in_doubt(
    store: Reader,
    target: Fingerprint | None,
    *,
    at_hand: AtHand = NOTHING_AT_HAND,
    count_tokens: Callable[[str], int] | None = None,
) -> InDoubt:
    """Return what is in doubt of a target, with what is `at_hand` and will be; nothing where it is not known."""
    ids = store.targets.unproven(target) if target else []
    return _in_file(store, ids, count_tokens) + _of(at_hand.unproven, tokens=at_hand.tokens, texts=at_hand.unproven)


def _in_file(store: Reader, ids: Sequence[str], count_tokens: Callable[[str], int] | None) -> InDoubt:
    if not ids:
        return InDoubt()
    load = Load(0, count_tokens)
    some = [examine(row) for row in store.memories.rows_by_id(ids[:: ceil(len(ids) / MOST)], target=None)]
    documents = [each for each in some if isinstance(each, Document)]
    for each in documents:
        load.add(each)
    return _of(len(ids), tokens=load.tokens, texts=len(documents))


def _of(rows: int, *, tokens: int, texts: int) -> InDoubt:
    """Return what it takes to find out about rows, of which so many `texts` have so many `tokens`."""
    asked = most_asked(rows)
    return InDoubt(rows, min(rows, MOST), asked, ceil(tokens * asked / max(texts, 1)))
