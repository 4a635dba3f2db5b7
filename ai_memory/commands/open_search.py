"""A database and its embedders between many queries: opened once, and again only where somebody changed it.

What was read of a file when it was opened, its tables among it, may be another thing after the next commit: a first
migration gives it tables, `restore` gives it another content.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    from ai_memory.commands.embedder_choice import Chosen
    from ai_memory.commands.query_embedders import QueryEmbedders
    from ai_memory.stores.memory_port import Library


class Doors(Frozen):
    """What opens a database, what chooses the embedders for it, and what makes those that were chosen."""

    opened: Callable[[], AbstractContextManager[Library]]
    choose: Callable[[Library], Chosen]
    made: Callable[[Chosen], QueryEmbedders]


@dataclass(slots=True)
class OpenSearch:
    """What queries are asked of: an open database, and the embedders for it; see `open_search`."""

    doors: Doors
    library: Library
    embedders: QueryEmbedders
    _open: ExitStack
    _mark: Hashable
    _chosen: Chosen

    def follow(self) -> None:
        """See what others did to the database since it was opened; embedders are made anew only where others are due.

        Raises:
            DataRefused: it is not there any more, or cannot be read.
        """
        if self.library.about.mark() == self._mark:
            return
        self._open.close()
        self.library = self._open.enter_context(self.doors.opened())
        self._mark = self.library.about.mark()
        before, self._chosen = self._chosen, self.doors.choose(self.library)
        if (before.choices, before.known) != (self._chosen.choices, self._chosen.known):
            self.embedders = self.doors.made(self._chosen)


@contextmanager
def open_search(doors: Doors) -> Iterator[OpenSearch]:
    """Hold a database open for queries.

    Raises:
        DataRefused: it is not there, or cannot be read.
    """
    with ExitStack() as opened:
        library = opened.enter_context(doors.opened())
        mark, chosen = library.about.mark(), doors.choose(library)
        yield OpenSearch(doors, library, doors.made(chosen), opened, mark, chosen)
