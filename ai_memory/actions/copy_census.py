"""The census at the end of a copy: every memory of both databases beside each other, one state of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ai_memory.actions.copy_side import FRESHNESS, Judge, Side
from ai_memory.memory.freshness import Freshness

if TYPE_CHECKING:
    from ai_memory.actions.copy_side import Seen
    from ai_memory.memory.records import Value
    from ai_memory.stores.memory_port import Library

NAME = ("source_id", "target_id", "relation")
"""The columns that name a link, in every release."""
LinkName: TypeAlias = "tuple[Value, Value, Value]"
ABSENT = "absent in the target"
EXTRA = "absent in the source"


@dataclass(slots=True)
class Census:
    """What a census found: memories of the source, those that are fresh in the target, what differs by the id.

    `lost` is in how many memories a column has a value that the target does not have, `rewritten` in how many a value
    is written there in another way. `links` differ in either direction.
    """

    memories: int = 0
    fresh: int = 0
    differing: dict[str, list[str]] = field(default_factory=dict)
    links: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    rewritten: Counter[str] = field(default_factory=Counter)

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differing and not self.links


def census(
    source: Side,
    target: Side,
    *,
    spared: Collection[str],
    spared_links: Collection[LinkName],
    passed: Callable[[int], None],
) -> Census:
    """Return what tells the target from the source; what is spared is told of by who left it out.

    `passed` hears of so many memories more, and may raise.
    """
    found = Census()
    with source.library.unchanging(gently=True), target.library.unchanging(gently=True):
        judge = Judge.between(source, target)
        lost = source.library.memories.columns.keys() - target.library.memories.columns.keys()
        for ids in source.pages():
            theirs, ours = source.seen(ids), target.seen(ids)
            for row_id, seen in theirs.items():
                found.memories += 1
                found.lost.update(name for name in lost if seen.memory.values[name] is not None)
                if row_id not in spared:
                    _compare(found, judge, (source, seen), (target, ours.get(row_id)))
            passed(len(theirs))
        for ids in target.pages():
            there = source.library.listing.of_ids(ids)
            found.differing |= {each: [EXTRA] for each in ids if each not in there}
        if target.library.links.kept:
            found.links = len((link_names(source.library) ^ link_names(target.library)) - set(spared_links))
    return found


def _compare(found: Census, judge: Judge, one: tuple[Side, Seen], other: tuple[Side, Seen | None]) -> None:
    (source, seen), (target, stands) = one, other
    row_id = seen.row.id
    if stands is None:
        found.differing[row_id] = [ABSENT]
        return
    compared, freshness = judge.compare(source.whole(seen), target.whole(stands)), target.freshness(stands)
    if differing := compared.differing or ([] if freshness is source.freshness(seen) else [FRESHNESS]):
        found.differing[row_id] = differing
    found.fresh += freshness is Freshness.FRESH
    found.rewritten.update(compared.rewritten)


def link_names(library: Library) -> set[LinkName]:
    """Return what names each link of a database."""
    return {name_of(each) for each in library.links.all()}


def name_of(link: Mapping[str, Value]) -> LinkName:
    """Return what names a link."""
    source_id, target_id, relation = (link[name] for name in NAME)
    return source_id, target_id, relation
