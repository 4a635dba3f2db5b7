"""Compares stored vectors that are to be stamped with those that the embedder gives for the same texts.

The first rows one text per request: an endpoint that mixes up texts which share one would agree with itself, or belie
rows that are right. Of the others those that differ are asked for by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ai_memory.embed.outcomes import Embedded
from ai_memory.memory.freshness import Document, examine
from ai_memory.reembed.page import Page
from ai_memory.reembed.sweep.alike import Shared
from ai_memory.reembed.sweep.asked_again import not_as_before
from ai_memory.reembed.work import AskAgain, EmbedPage
from ai_memory.vectors.blob import decode

if TYPE_CHECKING:
    from ai_memory.reembed.sweep.pipeline import Alone
    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Target

ONE_BY_ONE = 300
"""Rows asked for by themselves: that so many agree means that at most 1 % of all differ (95 %)."""
PAGE = 100
"""Rows compared at once."""


@dataclass(slots=True)
class Compared:
    """What became of rows that were compared, by id.

    `agreeing` have the hash of the text that was compared, `differing` another vector, `sharing` the very vector of too
    many rows with other texts. What the embedder refuses, and what was edited meanwhile, is none of these.
    """

    agreeing: dict[str, bytes] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    sharing: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows were compared."""
        return len(self.agreeing) + len(self.differing)

    def add(self, rows: Sequence[Embedded], differing: Sequence[Embedded]) -> None:
        """Record rows that got a vector, some of them another than the stored one."""
        other = {each.document.id for each in differing}
        self.differing += other
        self.agreeing |= {each.document.id: each.document.src for each in rows if each.document.id not in other}


def compare(store: Reader, target: Target, ids: Sequence[str], alone: Alone) -> Compared:
    """Return how the stored vectors of rows compare with those that come for their texts.

    Raises:
        EmbedError, EndpointUnusable: the endpoint failed, or refuses a harmless text.
    """
    found, shared = Compared(), Shared()
    for start, rows in _pages(store, target, ids):
        if not rows:
            continue
        if not found.sharing:
            found.sharing += [each.document.id for each in shared.too_many(rows)]
        doubted = rows if start < ONE_BY_ONE else _doubted(rows, alone)
        known = {each.document.id for each in doubted}
        found.add([each for each in rows if each.document.id not in known], ())
        if doubted:
            again = alone.ask(AskAgain(tuple(doubted)))
            asked = set(again.asked)
            found.add([each for each in doubted if each.document.id in asked], again.differing)
    return found


def _pages(store: Reader, target: Target, ids: Sequence[str]) -> Iterator[tuple[int, list[Embedded]]]:
    """Yield the place of each page among `ids`, and its rows as they are stored now."""
    for start in range(0, len(ids), PAGE):
        rows = store.memories.rows_by_id(ids[start : start + PAGE], target=None)
        sound = [row for row in rows if row.live and row.has_sound_vector(target.dim)]
        examined = [(examine(row), row.embedding or b"") for row in sound]
        yield start, [Embedded(each, decode(blob)) for each, blob in examined if isinstance(each, Document)]


def _doubted(rows: Sequence[Embedded], alone: Alone) -> list[Embedded]:
    """Return the rows that got no vector, or another one, when they were asked for in as few requests as can be."""
    answer = alone.ask(EmbedPage(Page(documents=tuple(each.document for each in rows))))
    return list(rows) if answer.differing else not_as_before(rows, answer.outcomes[: len(rows)])
