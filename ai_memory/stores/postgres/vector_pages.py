"""Reads the vectors of live memories in pages: one array for all of a page that are of one space and one width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ai_memory.stores.memory_values import VectorGroup, VectorPage
from ai_memory.stores.postgres.scopes import within
from ai_memory.stores.postgres.transactions import streamed
from ai_memory.stores.postgres.which_rows import NUMBER, served
from ai_memory.vectors.blob import head
from ai_memory.vectors.stack import decodable, decode_all, stacked

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store
    from ai_memory.stores.postgres.connection import Row

PAGE_ROWS = 2_000
"""Rows read together: 2,000 vectors of 3,072 floats are 25 MB."""
VECTORS = f"""
    SELECT {NUMBER}, {{sent}}, m.embedding_dim, m.embedding_space, f.space, m.recorded_head
    FROM {{rows}} AS m LEFT JOIN embedding_fingerprint AS f ON f.id = m.recorded_target
    WHERE m.live AND {{scope}}
"""


def vector_pages(store: Store, namespace: str | None, *, substrate: bool) -> Iterator[VectorPage]:
    """Yield the pages; see `stores.memory_port_reading.SearchReader.vectors`."""
    form = store.schema.form
    scope, names = within(namespace, "m.namespace", substrate=substrate)
    sql = VECTORS.format(sent=form.sent("m.embedding"), rows=served(store), scope=scope)
    found = streamed(store.db, sql, names)
    rows = ((number, form.blob(sent), *rest) for number, sent, *rest in found)
    while page := list(islice(rows, PAGE_ROWS)):
        yield page_of(page)


def page_of(rows: Sequence[Row]) -> VectorPage:
    """Return the vectors of rows: number, BLOB, declared width, stamp, recorded space, and recorded head."""
    present = [row for row in rows if row[1] is not None]
    groups: list[VectorGroup] = []
    malformed: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for alike in _of_one_length(present):
        numbers = np.array([row[0] for row in alike], dtype=np.int64)
        if not alike[0][1]:
            malformed.append(numbers)
            continue
        stack = stacked([row[1] for row in alike])
        declared = np.array([row[2] in (None, len(row[1]) // 4) for row in alike], dtype=np.bool_)
        sound = decodable(stack) & declared
        malformed.append(numbers[~sound])
        for space, of_space in _by_origin(alike):
            chosen = sound & of_space
            if chosen.any():
                groups.append(VectorGroup(space, numbers[chosen], decode_all(stack[chosen])))
    return VectorPage(tuple(groups), len(rows) - len(present), np.concatenate(malformed))


def _of_one_length(rows: Sequence[Row]) -> list[list[Row]]:
    by_length: dict[int, list[Row]] = {}
    for row in rows:
        by_length.setdefault(len(row[1]), []).append(row)
    return list(by_length.values())


def _by_origin(rows: Sequence[Row]) -> Iterator[tuple[str | None, npt.NDArray[np.bool_]]]:
    """Yield each space that vectors are of, None for those of which nothing tells it, and which rows are of it."""
    origins = [
        stamp if known is None or known != head(blob) else recorded for _, blob, _, stamp, recorded, known in rows
    ]
    for space in dict.fromkeys(origins):
        yield space, np.array([each == space for each in origins], dtype=np.bool_)
