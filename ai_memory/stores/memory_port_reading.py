"""What a `Library` is made of: what is read of memories, links, words and vectors for those who ask for memories.

See `port` for what is common to all methods. A memory's id may be any value here: who imports one may name it by a
number, and is told that there is none. Where a method takes a `namespace`, `NS/*` stands for all below NS and None for
every one.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ai_memory.stores.memory_values import Selection

if TYPE_CHECKING:
    from ai_memory.errors import StatementRefused
    from ai_memory.memory.records import Memory, Value
    from ai_memory.stores.memory_values import (
        Column,
        LeftBehind,
        Match,
        Named,
        NamespaceCount,
        Neighbours,
        Sizes,
        SpaceCount,
        StoredVector,
        Summary,
        Text,
        Totals,
        VectorPage,
    )


class MemoryReader(Protocol):
    """Reads single memories: every stored column but those of the vector."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """What the database declares of each column."""

    def get(self, memory_id: Value) -> Memory | None:
        """Return the memory of that id, None where there is none."""

    def titled(self, title: Value, namespace: Value) -> Memory | None:
        """Return the memory of that title in that namespace, None where there is none."""

    def meant(self, name: str, *, most: int) -> list[Named]:
        """Return the memories of that title, else those whose id begins with `name`; by their ids, at most `most`.

        None has an empty name.
        """

    def has_vector(self, memory_id: str) -> bool:
        """Return whether a memory is there and has a vector, whatever it is worth."""

    def atoms(self, memory_id: str) -> int:
        """Return how many memories are atoms of that one (their `atom_of` names it)."""

    def orphans(self) -> list[str]:
        """Return the ids of the memories whose `atom_of` names no memory."""

    def referring(self, memory_id: str, refusal: StatementRefused) -> dict[str, int]:
        """Return how many rows of which tables keep a memory from being deleted, as far as that is known.

        Nothing where the refusal was for something else.
        """

    def refusals(self) -> dict[str, str]:
        """Return why no memory can be stored, changed or deleted, by that verb; nothing is written."""


EVERY_ONE = Selection()


class Listing(Protocol):
    """Reads many memories, in the order in which they were stored where nothing else is said."""

    def require_found(self, namespace: str | None) -> None:
        """Check that a namespace has memories, or had some.

        Raises:
            NotFound: it was never seen: a typing error must not read as "nothing there".
        """

    def summaries(self, namespace: str | None, selection: Selection = EVERY_ONE) -> Iterator[Summary]:
        """Yield one summary per memory of a selection."""

    def all(self, namespace: str | None) -> Iterator[Memory]:
        """Yield the memories; inside of `Library.unchanging`."""

    def of_ids(self, ids: Sequence[str]) -> dict[str, Memory]:
        """Return those memories of some ids that are there, by their ids."""

    def told(self, memory: Memory) -> dict[str, Value]:
        """Return what must be said of a memory: all but the NULLs that a new one has where nothing is said."""

    def lacking_vectors(self, *, after: int | None, limit: int) -> list[tuple[int, str, str]]:
        """Return (row number, id, namespace) of the next live memories without a vector, at most `limit`.

        `after` is the row number of the last one that was returned, None at the start.
        """


class LinkReader(Protocol):
    """Reads the links between memories."""

    @property
    def kept(self) -> bool:
        """Whether the database has a place for them; all that follows is empty where it has none."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """What the database declares of each column."""

    def all(self) -> Iterator[Mapping[str, Value]]:
        """Yield all links in the order they were stored; inside of `Library.unchanging`."""

    def told(self, link: Mapping[str, Value]) -> dict[str, Value]:
        """See `Listing.told`."""

    def refusals(self) -> dict[str, str]:
        """Return why no link can be stored or changed, by that verb; nothing is written."""


class SearchReader(Protocol):
    """Finds memories by their words, and reads vectors for comparison.

    A row number names a memory as long as one state is read: see `Library`.
    """

    def telling(self, query: str) -> str:
        """Return a query of the words of `query` that tell most: each once, without function words, of many the rarest.

        How many that are at most is the store's to say. Function words stay where there is nothing else.

        Raises:
            WordIndexUnusable: see `matches`.
        """

    def matches(self, query: str, namespace: str | None, *, substrate: bool = True) -> Iterator[Match]:
        """Yield the live memories with a word of `query`, best BM25 first.

        With `namespace` None and not `substrate` those of ai-memory's own namespaces are left out.

        Every character of `query` is taken for text, none for a syntax. Each of its words counts; see `telling`.

        Raises:
            WordIndexUnusable: the index of words is damaged, absent or something else.
        """

    def bm25(self, query: str, numbers: Collection[int]) -> dict[int, float]:
        """Return the BM25 of those of the memories `numbers` that have a word of `query`, by row number.

        Raises:
            WordIndexUnusable: see `matches`.
        """

    def vectors(self, namespace: str | None, *, substrate: bool = True) -> Iterator[VectorPage]:
        """Yield the vectors of the live memories, in pages of a bounded size; `substrate` is as in `matches`.

        A vector's space is what our record of it says while the vector is the one we wrote, else the row's own stamp.
        """

    def nearest(self, wanted: Neighbours) -> VectorPage | None:
        """Return the vectors of those an index finds nearest, to the query in whose space all vectors there are.

        None where no index answers that: then all that `vectors` yields is to be compared.
        """

    def vector(self, row_number: int) -> StoredVector:
        """Return what is stored as the vector of one memory."""

    def numbers(self, memory_ids: Sequence[str]) -> dict[str, int]:
        """Return the row numbers of those of some memories that are there and live, by id."""

    def text(self, row_number: int) -> Text:
        """Return what a person is shown of a memory that was found."""

    def has_runs(self) -> bool:
        """Return whether a migration of ours ever began to replace what is served; a staged one does at its switch."""


class Counts(Protocol):
    """Counts what a database holds."""

    def totals(self) -> Totals:
        """Return the counts of the whole database."""

    def namespaces(self) -> list[NamespaceCount]:
        """Return the counts of each namespace, in the store's own order."""

    def spaces(self) -> list[SpaceCount]:
        """Return the spaces that the stored vectors say they are of, the largest first."""

    def not_vectors(self) -> set[bytes]:
        """Return the ids, as bytes, of the live memories that have a text or a number as a vector."""

    def has_encrypted(self, namespace: str) -> bool:
        """Return whether one of the newest memories of a namespace is encrypted; a thousand are looked at."""

    def in_quarantine(self) -> set[bytes]:
        """Return the ids, as bytes, of the memories in quarantine for any target, in force or not."""

    def odd_expiries(self) -> list[tuple[str | None, str]]:
        """Return (id, expires_at) of the memories whose `expires_at` is not RFC 3339 in UTC: readers disagree on it."""

    def left_behind(self) -> LeftBehind:
        """Return what no export takes; our own tables are left out: they are of the vectors, which are made anew."""


class WordIndexReader(Protocol):
    """Examines the index of words; it holds nothing that the memories do not hold."""

    def fault(self) -> str | None:
        """Return what is wrong with it, as the end of a sentence about it; None: nothing is."""

    def out_of_step(self) -> int:
        """Return how many memories it lacks, and how many of its entries have no memory.

        Raises:
            WordIndexUnusable: there is no index to compare with.
        """

    def lost(self) -> int | None:
        """Return the row of a memory that is not found by a word of its title, among the newest ones; None: all are.

        Raises:
            WordIndexUnusable: nothing can be searched.
        """


class About(Protocol):
    """Tells of the database as a whole."""

    @property
    def rust(self) -> bool:
        """Whether the Rust program made it."""

    @property
    def version(self) -> int | None:
        """The version of the Rust program's schema, None where this program made it."""

    @property
    def created(self) -> bool:
        """Whether it was made just now, by opening it."""

    @property
    def vector_width(self) -> int | None:
        """The one width of the vectors that its memories take; None: they take any."""

    def own_tables(self) -> list[str]:
        """Return the names of what this program keeps beside the memories, as far as it is there."""

    def sizes(self) -> Sizes:
        """Return how large it is."""

    def mark(self) -> Hashable:
        """Return what is another value as soon as somebody else has committed to it, or put another in its place."""

    def lasts(self) -> float | None:
        """Return for how many seconds the same memories live while nobody commits; None: for good, 0: not known."""

    def require_known(self) -> None:
        """Check that this program knows its schema well enough to write it.

        Raises:
            DataRefused: it does not.
        """

    def complaints(self, *, thorough: bool = False) -> list[str]:
        """Return what the store's own check, the quick or the thorough one, finds wrong but for the index of words.

        Raises:
            Damaged: the check ends before it finds anything.
        """
