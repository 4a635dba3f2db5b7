"""Reads the vectors of live memories in pages: one array for all of a page that are of one space and one width.

A million rows are read for one search, so nothing here is done row by row that SQLite or numpy can do for a page. The
record of a vector is looked up only for a row whose own stamp it could contradict: random look-ups by id are what
takes longest in a large file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ai_memory.stores.memory_values import VectorGroup, VectorPage
from ai_memory.stores.sqlite.consistent import memory_rows
from ai_memory.stores.sqlite.namespaces import within
from ai_memory.stores.sqlite.which_rows import OWN, served
from ai_memory.vectors.blob import head
from ai_memory.vectors.stack import decodable, decode_all, stacked

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.sqlite.connection import Row

PAGE_ROWS = 2_000
"""Rows read together: 2,000 vectors of 3,072 floats are 25 MB."""

# A stamp that equals what all records say needs no record: the look-up is for no id.
VECTORS = """
    SELECT m.row_number, CASE WHEN typeof(m.embedding) = 'blob' THEN m.embedding END,
           m.embedding_dim IS NULL
           OR (typeof(m.embedding_dim) = 'integer' AND m.embedding_dim = length(m.embedding) / 4),
           CAST(m.embedding_space AS BLOB), p.fingerprint_id, p.head
    FROM memory_row AS m
    LEFT JOIN embedding_provenance AS p
    ON p.memory_id = CASE WHEN CAST(m.embedding_space AS BLOB) = :recorded THEN NULL ELSE m.id END
    WHERE m.live AND {scope} {{within}}
"""
# Where others than the memories' own are served, the view has their records.
SERVED = """
    SELECT m.row_number, CASE WHEN typeof(m.embedding) = 'blob' THEN m.embedding END,
           m.embedding_dim IS NULL
           OR (typeof(m.embedding_dim) = 'integer' AND m.embedding_dim = length(m.embedding) / 4),
           CAST(m.embedding_space AS BLOB), m.recorded_target, m.recorded_head
    FROM served_row AS m
    WHERE m.live AND {scope} {{within}} AND :recorded IS :recorded
"""
# The index by which they are looked up, of a million memories; else each look-up reads a page anew.
LARGE_CACHE = "PRAGMA cache_size = -65536"
SPACES = "SELECT id, CAST(space AS BLOB) FROM embedding_fingerprint"
ONE_RECORDED = """
    SELECT CAST(space AS BLOB) FROM embedding_fingerprint
    WHERE id = (SELECT fingerprint_id FROM embedding_provenance LIMIT 1)
"""
OTHERS_RECORDED = """
    SELECT EXISTS (
        SELECT 1 FROM embedding_provenance
        WHERE fingerprint_id NOT IN (SELECT id FROM embedding_fingerprint WHERE CAST(space AS BLOB) = ?)
    )
"""


def vector_pages(store: Store, namespace: str | None, *, substrate: bool) -> Iterator[VectorPage]:
    """Yield the pages; see `stores.memory_port_reading.SearchReader.vectors`."""
    scope, names = within(store, namespace, "{plus}m.namespace", substrate=substrate)
    spaces: dict[int, bytes] = dict(store.db.execute(SPACES))
    own = served(store) == OWN
    if not own:
        store.db.execute(LARGE_CACHE)
    sql = (VECTORS if own else SERVED).format(scope=scope)
    rows = memory_rows(store.db, sql, {**names, "recorded": _recorded_alone(store)})
    while page := list(islice(rows, PAGE_ROWS)):
        yield _page(page, spaces, store)


def _recorded_alone(store: Store) -> bytes | None:
    """Return the one space that all records of vectors name, None where they name several or there are none."""
    one = store.db.value(ONE_RECORDED)
    return None if one is None or store.db.value(OTHERS_RECORDED, (one,)) else bytes(one)


def _page(rows: Sequence[Row], spaces: Mapping[int, bytes], store: Store) -> VectorPage:
    present = [row for row in rows if row[1] is not None]
    groups: list[VectorGroup] = []
    malformed: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for alike in _of_one_length(present):
        numbers = np.array([row[0] for row in alike], dtype=np.int64)
        stack = stacked([row[1] for row in alike])
        sound = decodable(stack) & np.array([row[2] for row in alike], dtype=np.bool_)
        malformed.append(numbers[~sound])
        for space, of_space in _by_origin(alike, spaces):
            chosen = sound & of_space
            if chosen.any():
                name = None if space is None else store.codec.name(space)
                groups.append(VectorGroup(name, numbers[chosen], decode_all(stack if chosen.all() else stack[chosen])))
    return VectorPage(tuple(groups), len(rows) - len(present), np.concatenate(malformed))


def _of_one_length(rows: Sequence[Row]) -> list[list[Row]]:
    by_length: dict[int, list[Row]] = {}
    for row in rows:
        by_length.setdefault(len(row[1]), []).append(row)
    return list(by_length.values())


def _by_origin(
    rows: Sequence[Row], spaces: Mapping[int, bytes]
) -> Iterator[tuple[bytes | None, npt.NDArray[np.bool_]]]:
    """Yield each space that vectors are of, None for those of which nothing tells it, and which rows are of it."""
    origins = [
        stamp if known is None or known != head(blob) else spaces.get(record)
        for _, blob, _, stamp, record, known in rows
    ]
    for space in dict.fromkeys(origins):
        yield space, np.array([each == space for each in origins], dtype=np.bool_)
