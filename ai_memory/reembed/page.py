"""One page of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen, field

if TYPE_CHECKING:
    from ai_memory.embed.outcomes import Embedded
    from ai_memory.memory.freshness import Document, Unfit
    from ai_memory.stores.values import Steps


class Page(Frozen):
    """Rows read together, to be committed together.

    `documents` are to be embedded, `bytes` of text in all; `duplicates` get the vector of an identical text that is
    there or on its way, `attested` are taken on their stamp's word, `unfit` quarantined; `current` rows were fresh,
    `in_quarantine` stay there, for `left` ones there is no vector. `steps` are the cursors after the page.
    `comparable` says that one of `documents` has a vector which may be that of another model, to be compared with what
    comes. `taken` rows get a vector of the target's that was kept when it was replaced, and `unproven` ones such a
    vector that nobody has seen to be right. `to_put_back` are memories that get back what they had, `moved` rows get
    the vector that stands beside them.
    """

    documents: tuple[Document, ...] = ()
    duplicates: tuple[Document, ...] = ()
    attested: tuple[Document, ...] = ()
    unfit: tuple[Unfit, ...] = ()
    bytes: int = 0
    current: int = 0
    in_quarantine: int = 0
    steps: Steps = field(default_factory=dict)
    left: int = 0
    comparable: bool = False
    taken: tuple[Embedded, ...] = ()
    unproven: tuple[Embedded, ...] = ()
    to_put_back: tuple[str, ...] = ()
    moved: tuple[Embedded, ...] = ()

    @property
    def to_write(self) -> tuple[Document, ...]:
        """The rows to be given a vector or a stamp."""
        return self.documents + self.duplicates + self.attested + tuple(each.document for each in self.at_hand)

    @property
    def at_hand(self) -> tuple[Embedded, ...]:
        """The rows that have a vector of the target's from what was kept or staged, with it."""
        return self.taken + self.unproven + self.moved

    @property
    def stale(self) -> int:
        """Rows that were stale when the page was read."""
        return len(self.to_write) + len(self.unfit) + len(self.to_put_back)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit: neither rows nor cursors."""
        return not (self.stale or self.steps)
