"""What the stores tell of memories, their words, vectors and links, as frozen values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ai_memory.memory.records import Value
    from ai_memory.vectors.target import Fingerprint, Vectors

SHOWN_TITLES = 3


class Column(Frozen):
    """What a table declares of a column: whether it must not be NULL, and whether what is left out is not NULL."""

    required: bool
    has_default: bool


class Summary(Frozen):
    """One line of a list of memories; `id` is None where the database has none."""

    id: str | None
    namespace: str
    title: str
    updated_at: str
    live: bool
    has_vector: bool


class Order(StrEnum):
    """The order of a list of memories."""

    STORED = "stored"
    """As they were stored."""
    TITLE = "title"
    """By title, whatever the case of the letters A to Z."""
    CREATED = "created"
    """The newest first; those whose time cannot be read last."""
    UPDATED = "updated"
    """Those changed last first; those whose time cannot be read last."""
    PRIORITY = "priority"
    """The highest priority first."""


class Selection(Frozen):
    """Which memories a list has, and in which order.

    They have all of `tags`, and were not last changed before `since_ms` (Unix milliseconds): of which it cannot be read
    when they were changed are in the list. Of more than `limit` the first ones are taken.
    """

    tags: tuple[str, ...] = ()
    since_ms: int | None = None
    order: Order = Order.STORED
    limit: int | None = None


class Named(Frozen):
    """A memory that may be meant by a name."""

    id: str
    namespace: str
    title: str


class Match(Frozen):
    """A live memory that has a word of the query: the higher its `bm25`, the better it fits."""

    row_number: int
    bm25: float


class VectorGroup(Frozen, eq=False):
    """Vectors of live memories, all of one space and one width; `space` is None where nothing tells it.

    `vectors`, shape (n, dim), has that of the memory `numbers[i]` in its row `i`. It may hold NaN, infinity and zeros.
    """

    space: str | None
    numbers: npt.NDArray[np.int64]
    vectors: Vectors


class VectorPage(Frozen, eq=False):
    """A bounded number of live memories: their vectors in groups, how many have none, and whose is malformed.

    Malformed is what no vector has the form of, and what declares another width than it has.
    """

    groups: tuple[VectorGroup, ...]
    missing: int
    malformed: npt.NDArray[np.int64]


class Neighbours(Frozen, eq=False):
    """Which memories are asked for: the `limit` live ones nearest to a query, and those numbered in `also`.

    `queries` are by the space of their vectors; of a `namespace` None takes all, without `substrate` the substrate's
    own are left out.
    """

    queries: Mapping[str, Vectors]
    namespace: str | None
    limit: int
    substrate: bool = True
    also: Collection[int] = ()


class StoredVector(Frozen):
    """The BLOB of a memory, b"" where it has none, and the width that its row declares.

    `dim` is None where nothing is declared, -1 where what is declared is not a number.
    """

    blob: bytes
    dim: int | None


class Recorded(Frozen):
    """The record of a vector: the target that gave it, the hash `src` of its text, who wrote it (`origin`).

    `head` is that of the vector of which it was recorded; None: it is of the very vector beside it. `proven`: it is no
    part of the target's present stretch.
    """

    target: Fingerprint
    src: bytes
    head: bytes | None
    origin: str
    proven: bool


class WholeMemory(Frozen):
    """A memory with all that is known of it: `values` of every column but the vector's, and the vector.

    `blob` is its vector (None: it has none), `dim` and `space` are what its row declares of it.
    """

    values: Mapping[str, Value]
    blob: bytes | None = None
    dim: int | None = None
    space: str | None = None
    recorded: Recorded | None = None

    @property
    def without_vector(self) -> WholeMemory:
        """The memory as one that was never embedded."""
        return WholeMemory(self.values)


class Text(Frozen):
    """What a person is shown of a memory."""

    id: str | None
    namespace: str
    title: str
    content: str


class Totals(Frozen):
    """Memories in the database; `live` are neither expired nor out of life, `without_id` nobody can address."""

    memories: int
    live: int
    with_vector: int
    without_id: int
    encrypted: int


class NamespaceCount(Frozen):
    """Memories of one namespace."""

    namespace: str
    memories: int
    live: int
    with_vector: int


class SpaceCount(Frozen):
    """Vectors that say they are of one space and width, by stamp or else by provenance; None: nothing says so."""

    space: str | None
    dim: int | None
    rows: int


class Sizes(Frozen):
    """The bytes of a database and of its write-ahead log."""

    db_bytes: int
    wal_bytes: int


class LeftBehind(Frozen):
    """What stands in a database beside memories and links: memories in the archive, other tables that have rows."""

    archived: int
    tables: list[str]


class Differing(Frozen):
    """Memories of one kind: how many, and the titles of the first ones."""

    count: int = 0
    titles: tuple[str, ...] = ()

    def __add__(self, title: str) -> Differing:
        """Return this and one memory more."""
        titles = (*self.titles, title) if self.count < SHOWN_TITLES else self.titles
        return Differing(self.count + 1, titles)


class Comparison(Frozen):
    """What a database has beside its backup: memories `absent` there, and `edited` since; vectors are not compared.

    `returning` memories are in the backup only. `runs` are migrations begun since, `tables` those of other programs
    that the backup lacks. `shared` memories are in both.
    """

    absent: Differing
    edited: Differing
    returning: int
    shared: int
    runs: int
    tables: tuple[str, ...]
