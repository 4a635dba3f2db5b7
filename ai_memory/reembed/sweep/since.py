"""Tells of rows that are stale after a pass whether they became so while it worked.

Beside others who write there are always such rows: a pass that waits for none of them never ends. What a pass is to do
is what was stale when it began, and that is done where no row is stale any more with the text that it had then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.memory.freshness import Document, Unfit
    from ai_memory.reembed.plan.census import Census

MOST = 100_000
"""Rows that are kept in mind, of some 200 bytes each; where more are stale nothing is said. A choice."""


@dataclass(slots=True)
class _Found:
    """The rows that a census found stale, begun `at` Unix milliseconds, with the hashes of their texts; `heard` all."""

    at: int = 0
    heard: int = 0
    texts: set[tuple[str, bytes]] = field(default_factory=set)


@dataclass(slots=True)
class StaleRows:
    """The stale rows of the census that was taken last, and of the one before it."""

    now: _Found = field(default_factory=_Found)
    before: _Found = field(default_factory=_Found)

    def count_at(self, now_ms: int) -> None:
        """Record that a census is taken."""
        self.before, self.now = self.now, _Found(now_ms)

    def begin(self) -> None:
        """Record that its rows are counted from the first one on."""
        self.now = _Found(self.now.at)

    def hear(self, examined: Document | Unfit) -> None:
        """Keep a stale row in mind."""
        self.now.heard += 1
        if self.now.heard <= MOST:
            self.now.texts.add((examined.id, examined.src))

    def proof(self, census: Census) -> int:
        """Return when the state was there of which all is done, by the census that was taken last."""
        return self.before.at if census.stale else census.began_at

    def others_write(self, census: Census) -> bool:
        """Return whether all that was stale before is done, and what became stale since is the smaller part."""
        kept = self.now.heard == census.stale and max(self.now.heard, self.before.heard) <= MOST
        return kept and census.stale <= census.fresh and self.now.texts.isdisjoint(self.before.texts)
