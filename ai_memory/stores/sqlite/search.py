"""Finds memories by their words, and reads vectors for comparison in blocks of bounded size."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused, WordIndexUnusable
from ai_memory.stores.memory_values import Candidate, Match, Text
from ai_memory.stores.sqlite.consistent import memory_rows
from ai_memory.stores.sqlite.namespaces import within
from ai_memory.stores.sqlite.which_rows import judged

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
           CAST(m.embedding_space AS BLOB), CAST(f.space AS BLOB), m.recorded_head
    FROM {rows} AS m
    LEFT JOIN embedding_fingerprint AS f ON f.id = m.recorded_target
    WHERE m.live AND {scope} {{within}}
"""
FOUND = """
    SELECT CAST(id AS BLOB), CAST(namespace AS BLOB), CAST(title AS BLOB), CAST(content AS BLOB)
    FROM memory_row WHERE row_number = ?
"""
RUNS = "SELECT count(*) FROM reembed_run"


@dataclass(frozen=True, slots=True)
class Search:
    """See `stores.memory_port_reading.SearchReader`."""

    store: Store

    def matches(self, query: str, namespace: str | None) -> Iterator[Match]:
        """See the port."""
        scope, names = within(self.store, namespace, "m.namespace")
        for number, name, worth in self._asked(MATCHES.format(scope=scope), query, names):
            yield Match(number, self.store.codec.name(name), worth or 0.0)

    def bm25(self, query: str, numbers: Collection[int]) -> dict[int, float]:
        """See the port."""
        return {
            number: worth or 0.0 for number, worth in self._asked(WORTH, query, {"numbers": json.dumps([*numbers])})
        }

    def _asked(self, sql: str, query: str, bindings: Mapping[str, Binding]) -> Iterator[Row]:
        words = query.replace("\0", " ").split()
        if telling := [word for word in words if word.strip(PUNCTUATION).lower() not in FUNCTION_WORDS] or words:
            expression = " OR ".join('"{}"'.format(word.replace('"', '""')) for word in telling)
            try:
                yield from self.store.db.stream(sql, {**bindings, "words": expression})
            except WordIndexUnusable:
                raise
            except DataRefused as error:
                # Of damage inside its tables SQLite does not always say whose it is.
                raise WordIndexUnusable(self.store.db.path, "it is damaged") from error

    def candidates(self, namespace: str | None) -> Iterator[Sequence[Candidate]]:
        """See the port."""
        scope, names = within(self.store, namespace, "{plus}m.namespace")
        rows = memory_rows(self.store.db, VECTORS.format(scope=scope, rows=judged(self.store)), names)
        while block := list(islice(rows, VECTOR_BLOCK)):
            yield [
                Candidate(number, self.store.codec.name(ns), blob, dim, self._name(space), self._name(recorded), known)
                for number, ns, blob, dim, space, recorded, known in block
            ]

    def text(self, row_number: int) -> Text:
        """See the port."""
        row_id, *texts = self.store.db.execute(FOUND, (row_number,))[0]
        return Text(
            None if row_id is None else self.store.codec.name(row_id),
            *(self.store.codec.name(each or b"") for each in texts),
        )

    def has_runs(self) -> bool:
        """See the port."""
        return bool(self.store.db.value(RUNS))

    def _name(self, stored: bytes | None) -> str | None:
        return None if stored is None else self.store.codec.name(stored)
