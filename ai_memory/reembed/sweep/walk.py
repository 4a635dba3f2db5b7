"""What a sweep goes over: pages in the order of some cursor, whatever their vectors come from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ai_memory.reembed.page import Page


class Walk(Protocol):
    """One walk, page by page, from the cursors that the last one left."""

    def pages(self) -> Iterator[Page]:
        """Yield the pages in cursor order; between two pages nothing is held open."""

    def settle(self, page: Page, *, unwritten: Collection[bytes] = ()) -> None:
        """Record that a page was committed; the vectors of the `unwritten` texts are at hand, and in no row."""

    def drop(self, page: Page) -> None:
        """Record that a page is not written: another walk finds its rows."""
