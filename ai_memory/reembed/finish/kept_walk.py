"""Walks over what stands in the file already, page by page, in an order of its own.

Memories that move to another namespace meanwhile are met all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_memory.reembed.sweep.budget import MAX_ROWS, Budget
from ai_memory.stores.values import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ai_memory.reembed.page import Page
    from ai_memory.stores.values import Steps

NOWHERE = ""
"""The name under which the one cursor of the walk is kept: it is of no namespace."""


class KeptWalk:
    """One walk; `stopped` says that it was ended early, `budget` whether no more rows were allowed."""

    def __init__(
        self,
        ids_after: Callable[[str | None, int], list[str]],
        page: Callable[[list[str], Steps], Page],
        cursor: Checkpoint | None,
        *,
        batch: int,
        max_rows: int | None,
        stopped: Callable[[], bool],
    ) -> None:
        """Go on after `cursor` (None: from the start) in pages of `batch` rows, over `max_rows` at most.

        `ids_after` returns the next memories, `page` makes a page of some, with the cursor after them.
        """
        self.budget, self.stopped = Budget(), False
        self._ids_after, self._page, self._batch, self._left = ids_after, page, batch, max_rows
        self._cursor = cursor.cursor_id if cursor else None
        self._stopped = stopped

    def pages(self) -> Iterator[Page]:
        """Yield the pages; between two nothing is held open."""
        while ids := self._ids_after(self._cursor, self._batch):
            if self._stopped():
                self.stopped = True
                return
            if self._left is not None:
                ids = ids[: self._left]
                self._left -= len(ids)
            if not ids:
                self.budget.spent = MAX_ROWS
                return
            self._cursor = ids[-1]
            step = Checkpoint(NOWHERE, self._cursor, eof=False, rows_done=len(ids))
            yield self._page(ids, {NOWHERE: step})

    def settle(self, page: Page) -> None:
        """Do nothing: a page costs nobody anything."""

    def drop(self, page: Page) -> None:
        """Do nothing: nobody is asked, so that nothing can differ."""
