"""Finds different texts that get the very same vector: a model tells two texts apart, or cannot tell them at all.

An endpoint that gives some vector where it could not make one is right about all other rows: only those are set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ai_memory.embed.outcomes import Embedded, Outcome, embedded_of
from ai_memory.memory.reason import Reason

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Document
    from ai_memory.vectors.target import Vectors

SEEN = 5_000
"""Rows of an invocation whose vectors are kept in mind, to see how many texts share one.

A choice of 2026-11-25, not measured."""
SEEN_BYTES = 8 * 1024 * 1024
"""And so much text of them, which takes twice as much memory."""
ONE_VECTOR = 1 - 1e-8
"""Cosine of vectors that are one; of long texts that differ by a word it is lower."""
NEAR = 2 * (2 - 2 * ONE_VECTOR) ** 0.5
"""How far apart they are at most, and as much again for rounding."""
LINES = 2
"""Of 100 rows 30 lie that near another one on one line, 2 on another one too; each with each takes 15 times as long.

Two cores, 2026-11-26: 7.5 ms of processor, with what the threads of `@` cost, and 0.4."""
SAME_BEGINNING = 100
"""Letters and digits: texts that begin with the same ones may be cut to the same by a model, and share its vector."""
FEW, SHARE = 4, 0.1
"""Different texts of a page that may share a vector: more than both are not an accident of a vocabulary."""
ALIKE = 3
"""Different texts that share a vector to the last bit. Two may be one to a model: but for quotes, or accents."""
SET_ASIDE = Reason("refused", "the endpoint gives it the same vector as other texts")


class _Seen:
    """How many rows are kept in mind, until there are SEEN or SEEN_BYTES."""

    def __init__(self) -> None:
        self.rows, self._bytes = 0, 0

    @property
    def full(self) -> bool:
        """Whether no more rows are kept in mind."""
        return self.rows >= SEEN or self._bytes >= SEEN_BYTES

    def takes(self, document: Document) -> bool:
        """Return whether one more row is kept in mind, and count it."""
        if self.full:
            return False
        self.rows, self._bytes = self.rows + 1, self._bytes + document.size
        return True


class Alike:
    """The texts met so far by their very vector, as far as SEEN goes; those that begin alike count as one."""

    def __init__(self) -> None:
        """Begin with none; `told` are the ids of the rows that were returned."""
        self._texts: dict[bytes, dict[str, list[Document]]] = {}
        self.told: set[str] = set()
        self._shared: set[bytes] = set()
        self._seen = _Seen()

    def observe(self, outcomes: Iterable[Outcome]) -> list[Document]:
        """Record rows; return those, also of the ones recorded before, that share a vector with too many others."""
        found: list[Document] = []
        if self._seen.full and not self._shared:
            # Nothing could be found: no vector need be hashed.
            return found
        for each in embedded_of(outcomes):
            found += self._hear(_hash(each.vector), each.document)
        self.told.update(each.id for each in found)
        return found

    def _hear(self, key: bytes, document: Document) -> list[Document]:
        if key in self._shared:
            return [document]
        if not self._seen.takes(document):
            return []
        texts = self._texts.setdefault(key, {})
        texts.setdefault(beginning(document.text), []).append(document)
        if len(texts) < ALIKE:
            return []
        self._shared.add(key)
        rows = {each.id: each for group in self._texts.pop(key).values() for each in group}
        return list(rows.values())


def sharing_a_vector(outcomes: Sequence[Outcome]) -> tuple[Embedded, ...]:
    """Return the most rows of a page that share one vector though their texts differ; none where no two do."""
    rows = embedded_of(outcomes)
    if len(rows) < 2:
        return ()
    wide = np.stack([each.vector for each in rows]).astype(np.float64)
    with np.errstate(all="ignore"):
        wide /= np.linalg.norm(wide, axis=1)[:, np.newaxis]
    for line in np.random.default_rng(0).standard_normal((LINES, wide.shape[1])):
        near = _near_another(wide, line)
        rows, wide = [rows[each] for each in near], wide[near]
    # Not by `@`: for so many numbers it starts threads, which are kept busy while they wait for the next page.
    one = np.einsum("ik,jk->ij", wide, wide) >= ONE_VECTOR
    found: tuple[Embedded, ...] = ()
    for row in np.flatnonzero(one.sum(axis=1) > max(len(found), 1)):
        group = {beginning(rows[each].document.text): rows[each] for each in np.flatnonzero(one[row])}
        found = max(found, tuple(group.values()), key=len)
    return found if len(found) > 1 else ()


def _near_another(wide: npt.NDArray[np.float64], line: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return which vectors of length 1 lie near another one on a line, in order: all that are one do, few others."""
    at = np.einsum("ij,j->i", wide, line / np.sqrt(np.sum(line * line)))
    order = np.argsort(at)
    near = np.zeros(len(order) + 1, dtype=bool)
    near[1:-1] = ~(np.diff(at[order]) > NEAR)
    return np.sort(order[near[1:] | near[:-1]])


def too_many(sharing: int, of: int) -> bool:
    """Return whether so many different texts share a vector that it is not an accident.

    By right a model gives two texts one vector where it cuts them to the same, or knows none of their words.
    """
    return sharing > max(FEW, SHARE * of)


class Shared:
    """The texts met in this invocation by their vector, as far as SEEN goes."""

    def __init__(self) -> None:
        """Begin with none."""
        self._texts: dict[bytes, dict[str, Document]] = {}
        self._seen = _Seen()

    def too_many(self, outcomes: Sequence[Outcome]) -> tuple[Embedded, ...]:
        """Record a page; return the rows, also of earlier pages, that share a vector where they are too many."""
        found: tuple[Embedded, ...] = ()
        for each in embedded_of(outcomes):
            if not self._seen.takes(each.document):
                break
            texts = self._texts.setdefault(_rounded(each.vector), {})
            texts[beginning(each.document.text)] = each.document
            if len(texts) > len(found):
                found = tuple(Embedded(document, each.vector) for document in texts.values())
        return found if too_many(len(found), self._seen.rows) else ()


def _rounded(vector: Vectors) -> bytes:
    """Return what vectors of one direction have in common."""
    with np.errstate(all="ignore"):
        return _hash((vector / np.linalg.norm(vector)).round(4))


def _hash(vector: Vectors) -> bytes:
    return blake2b(vector.tobytes(), digest_size=16).digest()


def beginning(text: str) -> str:
    """Return the letters and digits with which a text begins, as far as two texts must differ in them."""
    letters = islice(filter(str.isalnum, text[: 4 * SAME_BEGINNING]), SAME_BEGINNING)
    return "".join(letters).casefold()[:SAME_BEGINNING]
