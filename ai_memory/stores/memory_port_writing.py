"""What a `LibraryTransaction` is made of: what is written of memories, links and the index of words.

See `port` for what is common to all methods. Methods that write a row return which of the columns given a trigger
changed at once. Columns `beside` those given are written as well, and not looked at again. Each of them raises
StatementRefused where the database does not take the row, or a trigger undid it at once, and SchemaRefused where it
takes no such row at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ai_memory.memory.records import Value
    from ai_memory.stores.memory_values import WholeMemory

NOTHING: Mapping[str, Value] = MappingProxyType({})


class MemoryWriter(Protocol):
    """Writes and deletes single memories."""

    def insert(self, values: Mapping[str, Value], *, beside: Mapping[str, Value] = NOTHING) -> tuple[str, ...]:
        """Store a new memory."""

    def update(
        self,
        memory_id: Value,
        values: Mapping[str, Value],
        *,
        beside: Mapping[str, Value] = NOTHING,
        keeps_vector: bool = True,
    ) -> tuple[str, ...]:
        """Change one memory, and take its vector away unless it keeps that; remember the namespace that it leaves."""

    def put_whole(self, memories: Sequence[WholeMemory]) -> None:
        """Store memories with their vectors and the records of these, each in the place of the one of its id.

        Columns that the database does not have are passed over, and so is a NULL where it wants a value. Returns
        nothing: what a trigger changes of them is for the caller to look at.
        """

    def delete(self, memory_id: str) -> bool:
        """Delete a memory and what is known of its vector, and remember its namespace.

        Returns whether it is gone by that.
        """

    def defer_references(self) -> None:
        """Let this transaction store atoms before the memories they are atoms of."""

    def is_gone(self, memory_id: str) -> bool:
        """Return whether a memory that this transaction stored was taken out again by a trigger of a later write."""


class LinkWriter(Protocol):
    """Writes links."""

    def put(self, link: Mapping[str, Value]) -> tuple[str, ...] | None:
        """Insert a link, or change the one between the same memories with the same relation.

        Columns that the database does not have are passed over. Returns None where the link stands there already.
        """

    def remove(self, link: Mapping[str, Value]) -> bool:
        """Delete the link between the same memories with the same relation; return whether it is gone by that."""

    def is_gone(self, link: Mapping[str, Value]) -> bool:
        """Return whether a link that this transaction put was taken out again by a trigger of a later write."""


class WordIndexWriter(Protocol):
    """Repairs the index of words."""

    def rebuild(self) -> int:
        """Make the index anew from the memories, with what keeps it up to date; return how many memories it holds.

        Raises:
            DataRefused: something else stands in its place, which is not thrown away, or the memories cannot be read.
        """
