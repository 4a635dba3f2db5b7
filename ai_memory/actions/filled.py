"""What became of memories that were to get vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Unanswered
    from ai_memory.memory.freshness import Document, Unfit
    from ai_memory.memory.reason import Reason
    from ai_memory.stores.values import Counters


class Unfilled(Frozen):
    """A memory that got no vector, and why."""

    id: str
    namespace: str
    message: str


@dataclass(slots=True)
class Filled:
    """What became of some memories.

    `embedded` got their vector; the text of `raced` changed meanwhile; `left` got none. `sent_twice` texts, at most,
    were sent before by runs that were killed or given up; `asked_again` rows were asked
    for once more, one by one.
    """

    embedded: int = 0
    raced: int = 0
    sent_twice: int = 0
    asked_again: int = 0
    left: list[Unfilled] = field(default_factory=list)

    def count(self, counters: Counters, *, taken_from_others: int = 0) -> None:
        """Add what was written, also in the place of what others wrote."""
        self.embedded += counters.reembedded + taken_from_others
        self.raced += counters.raced
        self.asked_again += counters.asked_again

    def set_aside(self, aside: Iterable[tuple[Document | Unfit, Reason]]) -> None:
        """Add rows that get no vector, each with its reason."""
        self.left += [Unfilled(row.id, row.namespace, reason.message) for row, reason in aside]

    def give_up(self, unanswered: Iterable[Unanswered]) -> None:
        """Add rows that nobody embedded."""
        self.left += [Unfilled(each.document.id, each.document.namespace, each.message) for each in unanswered]
