"""Walks over what stands in the file already, page by page, in an order of its own.

Memories that move to another namespace meanwhile are met all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ai_memory.reembed.options import MAX_ROWS
from ai_memory.reembed.sweep.budget import Budget
from ai_memory.stores.values import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ai_memory.reembed.page import Page
    from ai_memory.stores.values import Steps

FIRST, LEAST = 20, 10
"""Rows of the first page, and of the smallest."""
LONG_S = 0.2
"""How long a page may take before the next one is smaller: nobody else writes its rows meanwhile."""
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
        monotonic: Callable[[], float],
    ) -> None:
        """Go on after `cursor` (None: from the start) in pages of `batch` rows at most, over `max_rows` at most.

        `ids_after` returns the next memories, `page` makes a page of some, with the cursor after them. `monotonic`
        tells seconds: an index can make a row of a page cost a hundred times what it costs elsewhere.
        """
        self.budget, self.stopped = Budget(), False
        self._ids_after, self._page, self._batch, self._left = ids_after, page, batch, max_rows
        self._cursor = cursor.cursor_id if cursor else None
        self._stopped, self._monotonic, self._rows = stopped, monotonic, min(batch, FIRST)

    def pages(self) -> Iterator[Page]:
        """Yield the pages; between two nothing is held open."""
        while ids := self._ids_after(self._cursor, self._rows):
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
            began = self._monotonic()
            yield self._page(ids, {NOWHERE: step})
            self._fit(self._monotonic() - began)

    def _fit(self, seconds: float) -> None:
        """Have the next page be smaller where one took so long, and larger where it took far less."""
        if seconds > LONG_S:
            self._rows = max(self._rows // 2, LEAST)
        elif seconds < LONG_S / 2:
            self._rows = self._rows * 2
        self._rows = min(self._rows, self._batch)

    def settle(self, page: Page, *, unwritten: Collection[bytes] = ()) -> None:
        """Do nothing: a page costs nobody anything."""

    def drop(self, page: Page) -> None:
        """Do nothing: nobody is asked, so that nothing can differ."""
