"""What became of one document that was to be embedded: one of three frozen values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Document, Unfit
    from ai_memory.memory.reason import Reason
    from ai_memory.vectors.target import Vectors


class Embedded(NamedTuple):
    """It has a vector: float32, shape (dim,). A tuple, because a sweep makes one per row."""

    document: Document
    vector: Vectors

    def apart(self) -> Embedded:
        """Return it with a vector of its own, to be kept: one that is part of an answer keeps all of that in memory."""
        return Embedded(self.document, self.vector.copy())


class Refused(Frozen):
    """It is bad, and goes into quarantine for a reason."""

    document: Document
    reason: Reason

    @property
    def unfit(self) -> Unfit:
        """The row as one that cannot be embedded."""
        return self.document.unfit(self.reason)


class Unanswered(Frozen):
    """It got no vector, though nothing says that it is bad; `message` says why."""

    document: Document
    message: str


Outcome = Embedded | Refused | Unanswered


def embedded_of(outcomes: Iterable[Outcome]) -> list[Embedded]:
    """Return those with a vector, in order."""
    return [each for each in outcomes if isinstance(each, Embedded)]
