"""Stale rows whose vector need not be asked for: the target's, of their text, was kept when it was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import Document
from ai_memory.reembed.plan.estimate import Load

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Sorting:
    """Tells the rows that a run would examine apart, as they are met: those at hand, and those that are sent."""

    def __init__(
        self,
        store: Reader,
        target: Fingerprint | None,
        *,
        send: Callable[[Document | Unfit], object] | None = None,
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        """Begin with none met; `send` hears of those for whose vector somebody is asked."""
        self._previous, self._send = store.targets.previous, send
        # Of a target that is not known nothing is kept, and mostly nothing is of one that is.
        self._target = target if target and self._previous.has_any_of(target) else None
        self._rows, self._unproven = 0, 0
        self._load = Load(0, count_tokens)

    @property
    def visit(self) -> Callable[[Document | Unfit], object] | None:
        """What is to hear of each row, None where nobody need."""
        return self._met if self._target else self._send

    @property
    def found(self) -> AtHand:
        """The rows at hand among those met so far."""
        return AtHand(self._rows, self._unproven, self._load.tokens)

    def _met(self, examined: Document | Unfit) -> None:
        kept = self._kept(examined) if isinstance(examined, Document) else None
        if kept:
            self._rows += 1
            if not kept.proven:
                self._unproven += 1
                self._load.add(examined)
        elif self._send:
            self._send(examined)

    def _kept(self, document: Document) -> KeptVector | None:
        found = self._previous.vectors_of([document.src], self._target) if self._target else {}
        return found.get(document.src)
