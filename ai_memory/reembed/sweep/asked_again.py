"""Asks some rows again, one text per request: what a text gets in company must be what it gets by itself.

Endpoints were seen that mix up the vectors of one request, spoil them in large requests or while several are in
flight, or give one vector to many texts. None of it shows in an answer. So each invocation

- holds its first page until three of its rows, spread over it, agree; nothing else is in flight then;
- asks a row of each of the first pages, later of every twentieth, beside the other requests in flight;
- asks, beside each such row, for one of the page that was written last: another model may have come in between;
- asks one with nothing else in flight whenever twice as many requests are in flight as at the last such time, and
  after so many pages: damage by requests side by side is the same for both, and shows only then;
- asks at the end for rows from all over what it wrote, with nothing else in flight.

Where the run was lied to before, a row of every request is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import ceil
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from ai_memory.embed.documents import embed_documents
from ai_memory.embed.outcomes import Embedded, Outcome, embedded_of
from ai_memory.embed.probe import MIN_COSINE, require_witness
from ai_memory.errors import EmbedError
from ai_memory.memory.freshness import Document
from ai_memory.reembed.work import Again, PageAnswer
from ai_memory.vectors.checks import cosines
from ai_memory.vectors.witness import WITNESS_TEXTS

if TYPE_CHECKING:
    from ai_memory.embed.port import ResilientEmbedder
    from ai_memory.vectors.target import Fingerprint, Vectors

FIRST = 3
"""Rows of the first page."""
LAST = 4
"""Of pages of which one row is asked again it is the last one for every so many: some lie about that one alone."""
LEAST, SMALL = 10, 200
"""Rows of a run of more than SMALL ones that are asked again at least."""
DENSE, EVERY = 16, 20
"""Of the first DENSE pages each is asked, later every so many: an endpoint that lies now and then is found early."""
QUIET = 64
"""Pages for each request in flight between two checks with nothing else in flight: waiting for that costs a round."""
AT_END = 3
"""Rows that are asked again one by one at the end, the last page's among them."""
SEEN = 5_000
"""Rows of an invocation whose vectors are kept in mind, to see how many texts share one.

A choice of 2026-11-25, not measured."""
LOOKED_AT = 128
"""Rows of a page that are compared with each other; 5 ms at 1,024 dimensions (two cores, 2026-11-25)."""
ONE_VECTOR = 1 - 1e-8
"""Cosine of vectors that are one; of long texts that differ by a word it is lower."""
SAME_BEGINNING = 100
"""Letters and digits: texts that begin with the same ones may be cut to the same by a model, and share its vector."""
FEW, SHARE = 4, 0.1
"""Different texts of a page that may share a vector: more than both are not an accident of a vocabulary."""
SUSPECTS = 2
"""Of those that do, so many are asked again: where a vector is in the wrong place, it is so for one of any two."""


class Schedule:
    """Says of each page, as it is read, how many of its rows are asked again."""

    def __init__(self, *, rows: int = 0, batch: int = 1, doubted: bool = False) -> None:
        """Begin with `rows` to do in pages of `batch`; `doubted`: the run was lied to before."""
        self.doubted = doubted
        # Of each page so many that there are LEAST at the end.
        self._share = LEAST / ceil(rows / batch) if rows > SMALL else 0
        self._asked = self._pages = self._alone_at = 0
        self._most_side_by_side = 1

    def next(self, documents: int, *, side_by_side: int, size: int) -> Again:
        """Return what is asked again of the next page; requests carry `size` texts, `side_by_side` are in flight."""
        if not documents:
            return Again()
        self._pages += 1
        rows = self._rows()
        if self.doubted and size > 1:
            rows = max(rows, ceil(documents / size))
        alone = self._alone(side_by_side, rows)
        rows = min(max(rows, alone), documents)
        self._asked += rows
        return Again(rows, size, alone)

    def most(self, batch: int, *, size: int) -> int:
        """Return how many rows of a page of `batch` may be asked again."""
        rows = max(FIRST, ceil(self._share) + 1, ceil(batch / size) if self.doubted and size > 1 else 0)
        return min(rows, batch)

    @property
    def at_first(self) -> bool:
        """Whether the last page is the first one."""
        return self._pages == 1

    def begin_anew(self) -> None:
        """Check as at the beginning: something was changed because the endpoint lied."""
        self.doubted = True
        self._pages = self._alone_at = 0
        self._most_side_by_side = 1

    def _rows(self) -> int:
        lacking = min(ceil(self._share * self._pages), LEAST, self._asked + ceil(self._share) + 1) - self._asked
        if self._pages == 1:
            return max(FIRST, lacking)
        return max(self._pages <= DENSE or self._pages % EVERY == 0, lacking)

    def _alone(self, side_by_side: int, rows: int) -> bool:
        if self._pages == 1 or side_by_side < 2:
            # By itself whatever is done.
            return rows > 0
        since = self._pages - self._alone_at
        if side_by_side < 2 * self._most_side_by_side and since < max(EVERY, QUIET * side_by_side):
            return False
        self._most_side_by_side, self._alone_at = side_by_side, self._pages
        return True


def choose(outcomes: Sequence[Outcome], again: Again, chance: Random) -> list[Embedded]:
    """Return the rows of a page to be asked again: one from each part of it, of several the very last."""
    whole = embedded_of(outcomes)
    if not whole or not again.rows:
        return []
    requests = ceil(len(whole) / again.size) if again.size else 1
    if again.rows >= requests > 1:
        bounds = [*range(0, len(whole), again.size), len(whole)]
    else:
        bounds = [len(whole) * part // again.rows for part in range(again.rows + 1)]
    chosen = [chance.randrange(start, end) for start, end in pairwise(bounds) if start < end]
    if len(chosen) > 1 or not chance.randrange(LAST):
        chosen[-1] = len(whole) - 1
    return [whole[each] for each in chosen]


def look_at(outcomes: Sequence[Outcome], chance: Random) -> tuple[tuple[Embedded, ...], bool]:
    """Return the rows of a page, as far as it is looked at, that share a vector; and whether they are too many."""
    looked_at = chance.sample(outcomes, min(len(outcomes), LOOKED_AT))
    sharing = sharing_a_vector(looked_at)
    return sharing, too_many(len(sharing), len(looked_at))


def chosen_of(outcomes: Sequence[Outcome], again: Again, sharing: Sequence[Embedded], chance: Random) -> list[Embedded]:
    """Return the rows of a page to ask again, each once: some of those `sharing` a vector, some of all."""
    rows = [*sharing[:SUSPECTS], *choose(outcomes, again, chance)]
    return list({each.document.id: each for each in rows}.values())


def ask_again(
    embedder: ResilientEmbedder, rows: Iterable[Embedded], *, stopped: Callable[[], bool]
) -> tuple[tuple[str, ...], tuple[Embedded, ...]]:
    """Ask for each row by itself; return the ids of those that got a vector, and those whose vector is another.

    What fails once it is `stopped` is not asked, nor any row after it.

    Raises:
        EmbedError, EndpointUnusable: see `embed_documents`.
    """
    asked: list[str] = []
    differing: list[Embedded] = []
    for each in rows:
        try:
            [alone] = embed_documents(embedder, [each.document])
        except EmbedError:
            if stopped():
                break
            raise
        # What is refused by itself is found out by whoever sends it next.
        if isinstance(alone, Embedded):
            asked.append(each.document.id)
            if not agrees(each.vector, alone.vector):
                differing.append(each)
    return tuple(asked), tuple(differing)


def ask_witness(target: Fingerprint, embedder: ResilientEmbedder) -> PageAnswer:
    """Ask for the witness texts; where they only agree by themselves, the answer tells them as rows that differ.

    Raises:
        TargetChanged: the endpoint serves other weights.
        EmbedError: it failed.
    """
    vectors = embedder.embed_documents(list(WITNESS_TEXTS))
    return PageAnswer() if require_witness(target, embedder, vectors) else mixed_up(vectors)


def witness_document(text: str) -> Document:
    """Return a witness text as the document of no row."""
    return Document(text, "", "", text, text, b"", 0)


def mixed_up(vectors: Vectors) -> PageAnswer:
    """Return the answer that tells the witness texts, which got `vectors`, as rows that differ."""
    rows = tuple(Embedded(witness_document(text), vector) for text, vector in zip(WITNESS_TEXTS, vectors, strict=True))
    return PageAnswer(rows, WITNESS_TEXTS, rows)


def agrees(one: Vectors, other: Vectors) -> bool:
    """Return whether two vectors of a text are the same but for rounding."""
    return bool(cosines(one[np.newaxis], other)[0] >= MIN_COSINE)


def sharing_a_vector(outcomes: Sequence[Outcome]) -> tuple[Embedded, ...]:
    """Return the most rows of a page that share one vector though their texts differ; none where no two do."""
    rows = embedded_of(outcomes)
    if len(rows) < 2:
        return ()
    wide = np.stack([each.vector for each in rows]).astype(np.float64)
    with np.errstate(all="ignore"):
        wide /= np.linalg.norm(wide, axis=1)[:, np.newaxis]
    one = wide @ wide.T >= ONE_VECTOR
    found: tuple[Embedded, ...] = ()
    for row in np.flatnonzero(one.sum(axis=1) > max(len(found), 1)):
        group = {beginning(rows[each].document.text): rows[each] for each in np.flatnonzero(one[row])}
        found = max(found, tuple(group.values()), key=len)
    return found if len(found) > 1 else ()


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
        self._rows = 0

    def too_many(self, outcomes: Sequence[Outcome]) -> tuple[Embedded, ...]:
        """Record a page; return the rows, also of earlier pages, that share a vector where they are too many."""
        found: tuple[Embedded, ...] = ()
        for each in embedded_of(outcomes) if self._rows < SEEN else ():
            self._rows += 1
            texts = self._texts.setdefault(_rounded(each.vector), {})
            texts[beginning(each.document.text)] = each.document
            if len(texts) > len(found):
                found = tuple(Embedded(document, each.vector) for document in texts.values())
        return found if too_many(len(found), self._rows) else ()


def _rounded(vector: Vectors) -> bytes:
    """Return what vectors of one direction have in common."""
    with np.errstate(all="ignore"):
        return (vector / np.linalg.norm(vector)).round(4).tobytes()


def beginning(text: str) -> str:
    """Return the letters and digits with which a text begins, as far as two texts must differ in them."""
    letters = "".join(filter(str.isalnum, text[: 4 * SAME_BEGINNING]))
    return letters.casefold()[:SAME_BEGINNING]
