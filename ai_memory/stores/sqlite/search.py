"""Finds memories by their words, and reads vectors for comparison in blocks of bounded size."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, WordIndexUnusable
from ai_memory.stores.sqlite.consistent import memory_rows
from ai_memory.stores.sqlite.namespaces import within

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.sqlite.connection import Binding, Row

ENGLISH = """
    a about after all am an and any are as at be been before being but by can could did do does for from had has have
    he her his how i if in into is it its me my no not of on or our she should so than that the their them then there
    these they this those to was we were what when where which who whom why will with would you your
"""
FUNCTION_WORDS = frozenset(ENGLISH.split())
"""English words that say nothing of a topic; in a small file BM25 would take them for rare and weigh them heavily."""
PUNCTUATION = ".,;:!?()[]{}'\"`"
VECTOR_BLOCK = 2_000
"""Rows read together: 2,000 vectors of 3,072 floats are 25 MB."""

# Not `rank`: a file may have told FTS5 to rank by something else, a text even.
MATCHES = """
    SELECT f.rowid, CAST(m.namespace AS BLOB), -bm25(memories_fts) AS worth
    FROM main.memories_fts AS f JOIN memory_row AS m ON m.row_number = f.rowid
    WHERE memories_fts MATCH :words AND m.live AND {scope} ORDER BY worth DESC, f.rowid
"""
# The unary plus keeps SQLite from asking the index anew for each row.
WORTH = """
    SELECT f.rowid, -bm25(memories_fts) FROM main.memories_fts AS f
    WHERE memories_fts MATCH :words AND +f.rowid IN (SELECT value FROM json_each(:numbers))
"""
VECTORS = """
    SELECT m.row_number, CAST(m.namespace AS BLOB), CASE WHEN typeof(m.embedding) = 'blob' THEN m.embedding END,
           CASE WHEN typeof(m.embedding_dim) IN ('integer', 'null') THEN m.embedding_dim ELSE -1 END,
           CAST(m.embedding_space AS BLOB), CAST(f.space AS BLOB), p.head
    FROM memory_row AS m
    LEFT JOIN embedding_provenance AS p ON p.memory_id = m.id
    LEFT JOIN embedding_fingerprint AS f ON f.id = p.fingerprint_id
    WHERE m.live AND {scope} {{within}}
"""
FOUND = """
    SELECT CAST(id AS BLOB), CAST(namespace AS BLOB), CAST(title AS BLOB), CAST(content AS BLOB)
    FROM memory_row WHERE row_number = ?
"""
RUNS = "SELECT count(*) FROM reembed_run"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A live memory and what is known of its vector.

    `blob` is None where it has none. `dim` and `space` are what the row declares, `recorded_space` and
    `recorded_head` what our own record says of the vector we wrote; all None where unknown. A `dim` that is not a
    number is -1.
    """

    row_number: int
    namespace: str
    blob: bytes | None
    dim: int | None
    space: str | None
    recorded_space: str | None
    recorded_head: bytes | None


@dataclass(frozen=True, slots=True)
class Match:
    """A live memory that has a word of the query: the higher its `bm25`, the better it fits."""

    row_number: int
    namespace: str
    bm25: float


@dataclass(frozen=True, slots=True)
class Text:
    """What a person is shown of a memory."""

    id: str | None
    namespace: str
    title: str
    content: str


def matches(store: Store, query: str, namespace: str | None) -> Iterator[Match]:
    """Yield the live memories with a word of `query`, best BM25 first; see `within` for `namespace`.

    Every character of `query` is taken for text, none for FTS5's syntax. Function words count only
    where there is nothing else.

    Raises:
        WordIndexUnusable: the index of words is damaged, absent or something else.
    """
    scope, names = within(store, namespace, "m.namespace")
    for number, name, worth in _asked(store, MATCHES.format(scope=scope), query, names):
        yield Match(number, store.codec.name(name), worth or 0.0)


def bm25(store: Store, query: str, numbers: Collection[int]) -> dict[int, float]:
    """Return the BM25 of those of the memories `numbers` that have a word of `query`, by row number.

    Raises:
        WordIndexUnusable: the index of words is damaged, absent or something else.
    """
    return {number: worth or 0.0 for number, worth in _asked(store, WORTH, query, {"numbers": json.dumps([*numbers])})}


def _asked(store: Store, sql: str, query: str, bindings: Mapping[str, Binding]) -> Iterator[Row]:
    words = query.replace("\0", " ").split()
    if telling := [word for word in words if word.strip(PUNCTUATION).lower() not in FUNCTION_WORDS] or words:
        expression = " OR ".join('"{}"'.format(word.replace('"', '""')) for word in telling)
        try:
            yield from store.db.stream(sql, {**bindings, "words": expression})
        except WordIndexUnusable:
            raise
        except DataRefused as error:
            # Of damage inside its tables SQLite does not always say whose it is.
            raise WordIndexUnusable(store.db.path, "it is damaged") from error


def candidates(store: Store, namespace: str | None) -> Iterator[Sequence[Candidate]]:
    """Yield blocks of the live memories with what is known of their vectors; inside of `consistently`."""
    scope, names = within(store, namespace, "{plus}m.namespace")
    rows = memory_rows(store.db, VECTORS.format(scope=scope), names)
    while block := list(islice(rows, VECTOR_BLOCK)):
        yield [
            Candidate(number, store.codec.name(ns), blob, dim, _name(store, space), _name(store, recorded), known)
            for number, ns, blob, dim, space, recorded, known in block
        ]


def _name(store: Store, stored: bytes | None) -> str | None:
    return None if stored is None else store.codec.name(stored)


def text(store: Store, row_number: int) -> Text:
    """Return what a person is shown of a memory that a search of the same snapshot found."""
    row_id, *texts = store.db.execute(FOUND, (row_number,))[0]
    return Text(
        None if row_id is None else store.codec.name(row_id), *(store.codec.name(each or b"") for each in texts)
    )


def has_runs(store: Store) -> bool:
    """Return whether a migration of ours has ever begun in the file."""
    return bool(store.db.value(RUNS))
