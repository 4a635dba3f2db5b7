"""What commands ask of a database of memories beside the migration, whatever keeps it: protocols only.

A `Library` is an open database as those see it who ask for its memories; its `store` is the same database as the
migration sees it (`port`). Only a `LibraryTransaction` has methods that write. What is common to all methods is stated
in `port`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ai_memory.stores.memory_port_reading import (
        About,
        Counts,
        LinkReader,
        Listing,
        MemoryReader,
        SearchReader,
        WordIndexReader,
    )
    from ai_memory.stores.memory_port_writing import LinkWriter, MemoryWriter, WordIndexWriter
    from ai_memory.stores.port import Reader, Store


class Library(Protocol):
    """An open database. Each method sees what was committed last.

    In a block of `unchanging`, and in what `store.consistently` calls, all that is read of it is of one state.
    """

    @property
    def store(self) -> Reader:
        """The same database as the migration sees it."""

    @property
    def memories(self) -> MemoryReader:
        """Single memories."""

    @property
    def listing(self) -> Listing:
        """Many memories."""

    @property
    def links(self) -> LinkReader:
        """The links between memories."""

    @property
    def search(self) -> SearchReader:
        """What words and vectors find."""

    @property
    def counts(self) -> Counts:
        """How much of what it holds."""

    @property
    def word_index(self) -> WordIndexReader:
        """The index of words."""

    @property
    def about(self) -> About:
        """The database as a whole."""

    def unchanging(self, *, gently: bool = False) -> AbstractContextManager[None]:
        """Hold one state of the database in the block; its writers may have to wait for the end of it.

        With `gently` nothing is held where they would have to: each method sees then what was committed last.
        """


class WritableLibrary(Library, Protocol):
    """A database open to write."""

    @property
    def store(self) -> Store:
        """The same database as the migration sees it."""

    def transaction(self) -> AbstractContextManager[LibraryTransaction]:
        """Hold the one write transaction; see `port.Store.transaction`."""


class LibraryTransaction(Protocol):
    """An open write transaction: its methods are the only ones that write memories."""

    @property
    def library(self) -> Library:
        """Reads what was committed, and what this transaction wrote."""

    @property
    def memories(self) -> MemoryWriter:
        """Writes memories."""

    @property
    def links(self) -> LinkWriter:
        """Writes links."""

    @property
    def word_index(self) -> WordIndexWriter:
        """Repairs the index of words."""

    def drop_own_tables(self) -> list[str]:
        """Drop all that this program keeps beside the memories, and return the names; nothing else may follow.

        The memories and their vectors stay.
        """

    def step(self) -> AbstractContextManager[None]:
        """Hold one step of the transaction, undone by itself on any error.

        Raises:
            StorageFailed: the error ended the whole transaction.
        """
