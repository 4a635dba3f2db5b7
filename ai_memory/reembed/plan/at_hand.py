"""Stale rows whose vector need not be asked for: the target's, of their text, was kept when it was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Document
from ai_memory.reembed.plan.distinct import Distinct
from ai_memory.reembed.plan.estimate import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from ai_memory.memory.freshness import Unfit
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import KeptVector
    from ai_memory.vectors.target import Fingerprint


class AtHand(Frozen):
    """So many `rows` take the vector that was kept of them; nobody has seen by now that `unproven` ones are right.

    `tokens` have the texts of the unproven ones.
    """

    rows: int = 0
    unproven: int = 0
    tokens: int = 0


BLOCK, BLOCK_BYTES = 256, 1024 * 1024
"""Rows that are asked for together at most, and bytes of their texts."""


class Sorting:
    """Tells the rows that a run would examine apart, as they are met: those at hand, and those that are sent."""

    def __init__(
        self,
        store: Reader,
        target: Fingerprint | None,
        *,
        sent: Load | None = None,
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        """Begin with none met; `sent` counts what is sent: each text once, and none of which the file has a vector."""
        self._memories, self._previous, self._sent = store.memories, store.targets.previous, sent
        self._target = target
        # Of a target that is not known nothing is kept, and mostly nothing is of one that is.
        self._keeps = target is not None and self._previous.has_any_of(target)
        self._rows, self._unproven = 0, 0
        self._load = Load(0, count_tokens)
        self._distinct = Distinct()
        self._block: list[Document] = []
        self._bytes = 0

    @property
    def visit(self) -> Callable[[Document | Unfit], object] | None:
        """What is to hear of each row, None where nobody need."""
        return self._met if self._keeps or self._sent else None

    @property
    def found(self) -> AtHand:
        """The rows at hand among those met so far; with this all of them are counted."""
        self._sort()
        return AtHand(self._rows, self._unproven, self._load.tokens)

    @property
    def exact(self) -> bool:
        """Whether each text is counted once; else some of them are several times."""
        return self._distinct.exact

    def _met(self, examined: Document | Unfit) -> None:
        if isinstance(examined, Document):
            self._block.append(examined)
            self._bytes += examined.size
            if len(self._block) >= BLOCK or self._bytes >= BLOCK_BYTES:
                self._sort()
        elif self._sent:
            self._sent.add(examined)

    def _sort(self) -> None:
        block, self._block, self._bytes = self._block, [], 0
        srcs = {each.src for each in block}
        kept = self._previous.vectors_of(srcs, self._target) if self._target and self._keeps else {}
        has = self._memories.vectors_of(srcs - kept.keys(), self._target) if self._target and self._sent else {}
        for each in block:
            if at_hand := kept.get(each.src):
                self._take(each, at_hand)
        if self._sent:
            self._send(self._sent, [each for each in block if each.src not in kept], has)

    def _send(self, sent: Load, block: Sequence[Document], has: Container[bytes]) -> None:
        new = self._distinct.which_new([each.src for each in block])
        for each, first in zip(block, new, strict=True):
            if first and each.src not in has:
                sent.add(each)
            else:
                sent.add_identical(each)

    def _take(self, document: Document, at_hand: KeptVector) -> None:
        self._rows += 1
        if not at_hand.proven:
            self._unproven += 1
            self._load.add(document)
