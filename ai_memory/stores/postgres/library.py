"""An open memory database with the methods of `stores.memory_port`, which ask the modules of this folder."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.memory_values import Sizes
from ai_memory.stores.postgres import own_tables
from ai_memory.stores.postgres.counts import Counts
from ai_memory.stores.postgres.links import Links, LinkWriter
from ai_memory.stores.postgres.listing import Listing
from ai_memory.stores.postgres.memories import Memories
from ai_memory.stores.postgres.memory_writer import MemoryWriter
from ai_memory.stores.postgres.schema import require_known
from ai_memory.stores.postgres.search import Search
from ai_memory.stores.postgres.transactions import savepoint, snapshot
from ai_memory.stores.postgres.word_index import WordIndex, WordIndexWriter

if TYPE_CHECKING:
    from ai_memory.stores.postgres import base
    from ai_memory.stores.postgres.store import Store, Transaction

SIZE = "SELECT pg_database_size(current_database())"
NEXT = "SELECT extract(epoch FROM min(expires_at) - now()) FROM memories WHERE expires_at > now()"
# What somebody else commits changes one of them; what is ours of it does as well.
MARK = "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text"


@dataclass(frozen=True)
class Library:
    """An open database as the port's `WritableLibrary`; one that was opened to be read writes nothing."""

    store: Store

    @cached_property
    def memories(self) -> Memories:
        """See the port."""
        return Memories.of(self.store)

    @property
    def listing(self) -> Listing:
        """See the port."""
        return Listing(self.store, self.memories.rows)

    @cached_property
    def links(self) -> Links:
        """See the port."""
        return Links.of(self.store)

    @property
    def search(self) -> Search:
        """See the port."""
        return Search(self.store)

    @property
    def counts(self) -> Counts:
        """See the port."""
        return Counts(self.store)

    @property
    def word_index(self) -> WordIndex:
        """See the port."""
        return WordIndex(self.store)

    @property
    def about(self) -> About:
        """See the port."""
        return About(self.store)

    def unchanging(self, *, gently: bool = False) -> AbstractContextManager[None]:
        """See the port; no writer ever waits for a reader."""
        del gently
        return snapshot(self.store.db)

    @contextmanager
    def transaction(self) -> Iterator[LibraryTransaction]:
        """See the port."""
        with self.store.transaction() as inner:
            yield LibraryTransaction(inner)


@dataclass(frozen=True)
class LibraryTransaction:
    """An open write transaction as the port's."""

    inner: Transaction

    @cached_property
    def library(self) -> Library:
        """See the port."""
        return Library(self.inner.reader)

    @cached_property
    def memories(self) -> MemoryWriter:
        """See the port."""
        return MemoryWriter(self.inner, Memories.of(self.inner))

    @cached_property
    def links(self) -> LinkWriter:
        """See the port."""
        return LinkWriter(self.inner, Links.of(self.inner))

    @property
    def word_index(self) -> WordIndexWriter:
        """See the port."""
        return WordIndexWriter(self.inner)

    def drop_own_tables(self) -> list[str]:
        """See the port."""
        return own_tables.drop(self.inner)

    def step(self) -> AbstractContextManager[None]:
        """See the port."""
        return savepoint(self.inner.db)


class About(Frozen):
    """See `stores.memory_port_reading.About`."""

    store: base.Store

    @property
    def rust(self) -> bool:
        """See the port."""
        return self.store.schema.rust

    @property
    def version(self) -> int | None:
        """See the port."""
        return self.store.schema.version

    @property
    def created(self) -> bool:
        """See the port."""
        return self.store.created

    @property
    def vector_width(self) -> int | None:
        """See the port."""
        return self.store.schema.form.width

    def own_tables(self) -> list[str]:
        """See the port."""
        return own_tables.names(self.store)

    def sizes(self) -> Sizes:
        """See the port; the log is the server's, of all its databases."""
        return Sizes(int(self.store.db.value(SIZE)), 0)

    def mark(self) -> Hashable:
        """See the port."""
        return tuple(self.store.db.execute(MARK)[0])

    def lasts(self) -> float | None:
        """See the port."""
        seconds = self.store.db.value(NEXT) if "expires_at" in self.store.schema.columns else None
        return None if seconds is None else max(float(seconds), 0.0)

    def require_known(self) -> None:
        """See the port."""
        require_known(self.store.name, self.store.schema)

    def complaints(self, *, thorough: bool = False) -> list[str]:
        """See the port; what the server itself would tell by amcheck is its owner's to ask."""
        del thorough
        return []
