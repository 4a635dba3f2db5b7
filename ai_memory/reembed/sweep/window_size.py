"""How many pages are in flight: so many that the writer hardly waits, and no more.

What is in flight at a kill is sent twice. By Little's law (1961) throughput times latency is enough; more only
lies answered and waits for its commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_memory.reembed.page import Page

WINDOW_BYTES = 64 * 1024 * 1024
"""Pages in flight take up about so much memory at most, however large one is: a hundred pages of 100 texts with vectors
of 384 numbers, 32 of 1,536, 17 of 3,072."""
DOCUMENT_BYTES, TEXT_COPIES = 1_500, 2
"""Memory that a row in flight takes beside its vector: its objects, and its text in one piece and in its parts."""
VECTOR_BYTES = 12
"""Bytes of memory a component of a vector in flight takes: as JSON or base64, as float32, and as the BLOB."""
GROWTH = 1.5
AHEAD = 3
"""Where more requests may be in flight than at the last commit, pages for so many times as many: their number doubles
twice until the page of the next commit is answered and its rows are asked again, and none is sent unannounced."""
LEAST = 2


class WindowSize:
    """The number of pages, moved after each commit by whether the writer had to wait for its page.

    It begins with what the workers can use, and is never more than they can use soon.
    """

    def __init__(self, capacity: Callable[[], int]) -> None:
        """Begin with what the workers can use now; `capacity` says how many questions they can have in flight."""
        self._capacity = capacity
        self._known = capacity()
        self.pages = most(self._known)
        self._calm = 0

    def room(self, flying: Collection[Page], *, dim: int) -> bool:
        """Return whether one more page may be in flight beside these; one alone always may."""
        of_a_row = DOCUMENT_BYTES + dim * VECTOR_BYTES
        used = sum(page.bytes * TEXT_COPIES + len(page.documents) * of_a_row for page in flying)
        return len(flying) < self.pages and used < WINDOW_BYTES

    def next(self, *, waited: bool) -> int:
        """Return the number for the time after a commit: more if the writer `waited`, less if it long did not."""
        known, self._known = self._known, self._capacity()
        usable = most(self._known)
        self._calm = 0 if waited else self._calm + 1
        wanted = int(self.pages * GROWTH) + 1 if waited else self.pages
        if waited and self._known > known:
            wanted = usable = most(AHEAD * self._known)
        if self._calm > 2 * self.pages:
            self._calm = self.pages
            wanted = max(self.pages - 1, LEAST)
        # The pages that fly now do not come down at once.
        return max(min(wanted, usable), self.pages - 1)


def most(capacity: int) -> int:
    """Return how many pages such workers can use: some wait for their commit while others are embedded."""
    at_once = max(capacity, 1)
    return at_once + (at_once + 1) // 2
