"""An open memory database with the methods of `stores.memory_port`, which ask the modules of this folder."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.memory_values import Sizes
from ai_memory.stores.sqlite import expiry, health, own_tables, word_index
from ai_memory.stores.sqlite.consistent import data_version, keeps_log
from ai_memory.stores.sqlite.counts import Counts
from ai_memory.stores.sqlite.file import log_bytes, look
from ai_memory.stores.sqlite.links import Links, LinkWriter
from ai_memory.stores.sqlite.listing import Listing
from ai_memory.stores.sqlite.memories import Memories
from ai_memory.stores.sqlite.memory_writer import MemoryWriter
from ai_memory.stores.sqlite.schema import require_known
from ai_memory.stores.sqlite.search import Search
from ai_memory.stores.sqlite.transactions import savepoint, snapshot

if TYPE_CHECKING:
    from ai_memory.stores.sqlite import base
    from ai_memory.stores.sqlite.store import Store, Transaction


@dataclass(frozen=True)
class Library:
    """An open file as the port's `WritableLibrary`; one that was opened to be read writes nothing."""

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
        """See the port."""
        return nullcontext() if gently and not keeps_log(self.store.db) else snapshot(self.store.db)

    @contextmanager
    def transaction(self) -> Iterator[LibraryTransaction]:
        """See the port."""
        with self.store.transaction() as inner:
            yield LibraryTransaction(inner)


@dataclass(frozen=True)
class LibraryTransaction:
    """An open write transaction as the port's; `triggered` is what its triggers write, see `Rows`."""

    inner: Transaction
    triggered: dict[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def library(self) -> Library:
        """See the port."""
        return Library(self.inner.reader)

    @cached_property
    def memories(self) -> MemoryWriter:
        """See the port."""
        return MemoryWriter(self.inner, Memories.of(self.inner, self.triggered))

    @cached_property
    def links(self) -> LinkWriter:
        """See the port."""
        return LinkWriter(self.inner, Links.of(self.inner, self.triggered))

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


class WordIndex(Frozen):
    """See `stores.memory_port_reading.WordIndexReader`."""

    store: base.Store

    def fault(self) -> str | None:
        """See the port."""
        return word_index.fault(self.store)

    def out_of_step(self) -> int:
        """See the port."""
        return word_index.out_of_step(self.store)

    def lost(self) -> int | None:
        """See the port."""
        return word_index.lost(self.store)


class WordIndexWriter(Frozen):
    """See `stores.memory_port_writing.WordIndexWriter`."""

    inner: base.Transaction

    def rebuild(self) -> int:
        """See the port."""
        return word_index.rebuild(self.inner)


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
    def vector_width(self) -> None:
        """See the port; a file takes any."""

    def own_tables(self) -> list[str]:
        """See the port."""
        return own_tables.names(self.store)

    def sizes(self) -> Sizes:
        """See the port."""
        path = self.store.db.path
        found = look(path)
        return Sizes(found.st_size if found else 0, log_bytes(path))

    def mark(self) -> Hashable:
        """See the port."""
        found = look(self.store.db.path)
        # The time is for a file that is read without its log: SQLite takes it for one that nobody writes.
        return data_version(self.store.db), found and (found.st_dev, found.st_ino, found.st_mtime_ns)

    def lasts(self) -> float | None:
        """See the port."""
        seconds = self.store.db.value(expiry.NEXT) if "expires_at" in self.store.schema.columns else None
        return None if seconds is None else max(float(seconds), 0.0)

    def require_known(self) -> None:
        """See the port."""
        require_known(self.store.db.path, self.store.schema)

    def complaints(self, *, thorough: bool = False) -> list[str]:
        """See the port."""
        return health.complaints(self.store.db, thorough=thorough)
