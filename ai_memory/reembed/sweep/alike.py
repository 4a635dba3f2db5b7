"""Finds different texts that get the very same vector: a model tells two texts apart, or cannot tell them at all.

An endpoint that gives some vector where it could not make one is right about all other rows: only those are set aside.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Outcome, embedded_of
from ai_memory.memory.reason import Reason
from ai_memory.reembed.sweep.asked_again import SEEN, beginning

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Document

ALIKE = 3
"""Different texts that share a vector to the last bit. Two may be one to a model: but for quotes, or accents."""
SET_ASIDE = Reason("refused", "the endpoint gives it the same vector as other texts")


class Alike:
    """The texts met so far by their very vector, as far as SEEN goes; those that begin alike count as one."""

    def __init__(self) -> None:
        """Begin with none; `told` are the ids of the rows that were returned."""
        self._texts: dict[bytes, dict[str, list[Document]]] = {}
        self.told: set[str] = set()
        self._shared: set[bytes] = set()
        self._rows = 0

    def observe(self, outcomes: Iterable[Outcome]) -> list[Document]:
        """Record rows; return those, also of the ones recorded before, that share a vector with too many others."""
        found: list[Document] = []
        for each in embedded_of(outcomes):
            found += self._hear(blake2b(each.vector.tobytes(), digest_size=16).digest(), each.document)
        self.told.update(each.id for each in found)
        return found

    def _hear(self, key: bytes, document: Document) -> list[Document]:
        if key in self._shared:
            return [document]
        if self._rows >= SEEN:
            return []
        self._rows += 1
        texts = self._texts.setdefault(key, {})
        texts.setdefault(beginning(document.text), []).append(document)
        if len(texts) < ALIKE:
            return []
        self._shared.add(key)
        rows = {each.id: each for group in self._texts.pop(key).values() for each in group}
        return list(rows.values())
