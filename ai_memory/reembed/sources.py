"""Where a row's vector comes from: an embedder, or the row itself. All of them are brought in by the one sweep."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from ai_memory.embed.outcomes import Embedded
from ai_memory.frozen import Frozen
from ai_memory.memory.freshness import carries_stamp, examine
from ai_memory.memory.names import is_substrate
from ai_memory.reembed.work import PageAnswer, Question
from ai_memory.vectors.blob import decode

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Document
    from ai_memory.memory.row import MemoryRow, Traits
    from ai_memory.stores.values import KeptVector
    from ai_memory.vectors.target import Fingerprint


class Way(Enum):
    """How a row gets its vector."""

    EMBED = "embed"
    """Its text is embedded."""
    ATTEST = "attest"
    """It has the vector, and is given the stamp."""
    LEAVE = "leave"
    """There is none for it."""


class Source(Protocol):
    """Says of each row that is not fresh where its vector comes from."""

    @property
    def heeds_quarantine(self) -> bool:
        """Whether rows in quarantine stay there."""

    @property
    def shares(self) -> bool:
        """Whether rows of one text are given one vector, which is asked for once."""

    def way(self, row: MemoryRow, target: Fingerprint, traits: Traits) -> Way:
        """Return how a row gets its vector."""


class FromText(Frozen):
    """A run's: every text is embedded; with `skip_current` a stamp of the target is believed."""

    skip_current: bool = False
    heeds_quarantine: bool = True
    shares: bool = True

    def way(self, row: MemoryRow, target: Fingerprint, traits: Traits) -> Way:
        """Return how a row gets its vector."""
        return Way.ATTEST if self.skip_current and carries_stamp(row, target, traits) else Way.EMBED


class FromRow(Frozen):
    """That of `--stamp-only`: a sound vector as wide as the target's is taken for the target's.

    `only` those of rows that still have a text, by id with its hash (None: of all).
    """

    only: Mapping[str, bytes] | None = None
    heeds_quarantine: bool = False
    shares: bool = False

    def way(self, row: MemoryRow, target: Fingerprint, traits: Traits) -> Way:
        """Return how a row gets its vector."""
        del traits
        return Way.ATTEST if row.has_sound_vector(target.dim) and self._may(row) else Way.LEAVE

    def _may(self, row: MemoryRow) -> bool:
        if self.only is None:
            return True
        found = examine(row) if row.id in self.only else None
        return found is not None and found.src == self.only[row.id]


class FromTextWhereNone(Frozen):
    """That of `backfill` and `import`: a text is embedded where there is no vector; each row is told of."""

    heeds_quarantine: bool = False
    shares: bool = False

    def way(self, row: MemoryRow, target: Fingerprint, traits: Traits) -> Way:
        """Return how a row gets its vector."""
        del target, traits
        return Way.LEAVE if row.embedding is not None or is_substrate(row.namespace) else Way.EMBED


def given_again(document: Document, kept: KeptVector) -> Embedded:
    """Return a row with the vector that was kept of its text, as if it had just come."""
    return Embedded(document, decode(kept.blob))


class NoWorkers:
    """The workers of a sweep whose source is the row: they are asked for no text."""

    capacity = 1
    judges = False
    failure = ""

    def submit(self, work: Question) -> Future[PageAnswer]:
        """Return the answer that a page without texts has."""
        del work
        answer: Future[PageAnswer] = Future()
        answer.set_result(PageAnswer())
        return answer

    def witness(self, work: Question) -> list[Future[PageAnswer]]:
        """Return no answer: nobody has a witness."""
        del work
        return []

    def close(self) -> None:
        """Do nothing."""
