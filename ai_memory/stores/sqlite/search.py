"""Finds memories by their words, and reads vectors for comparison in blocks of bounded size."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.frozen import Frozen
from ai_memory.stores.memory_values import Match, StoredVector, Text
from ai_memory.stores.query_words import telling_words, words
from ai_memory.stores.sqlite import word_index
from ai_memory.stores.sqlite.namespaces import within
from ai_memory.stores.sqlite.which_rows import served

if TYPE_CHECKING:
    from ai_memory.stores.memory_values import Neighbours, VectorPage
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.sqlite.connection import Binding, Row

# Not `rank`: a file may have told FTS5 to rank by something else, a text even.
MATCHES = """
    SELECT f.rowid, -bm25(memories_fts) AS worth
    FROM main.memories_fts AS f JOIN memory_row AS m ON m.row_number = f.rowid
    WHERE memories_fts MATCH :words AND m.live AND {scope} ORDER BY worth DESC, f.rowid
"""
# All that are in more memories than are counted here are equally common.
CONTAINING = "SELECT count(*) FROM (SELECT 1 FROM main.memories_fts WHERE memories_fts MATCH ? LIMIT 1000)"
# The unary plus keeps SQLite from asking the index anew for each row.
WORTH = """
    SELECT f.rowid, -bm25(memories_fts) FROM main.memories_fts AS f
    WHERE memories_fts MATCH :words AND +f.rowid IN (SELECT value FROM json_each(:numbers))
"""
VECTOR = """
    SELECT CASE WHEN typeof(embedding) = 'blob' THEN embedding ELSE x'' END,
           CASE WHEN typeof(embedding_dim) IN ('integer', 'null') THEN embedding_dim ELSE -1 END
    FROM {rows} WHERE row_number = ?
"""
FOUND = """
    SELECT CAST(id AS BLOB), CAST(namespace AS BLOB), CAST(title AS BLOB), CAST(content AS BLOB)
    FROM memory_row WHERE row_number = ?
"""
NUMBER = "SELECT row_number FROM memory_row WHERE id = CAST(? AS TEXT) AND live"
# What a staged run made is not served, and replaced nothing, before it is switched to.
RUNS = "SELECT count(*) FROM reembed_run WHERE staged = 0 OR moved > 0 OR state IN ('switched', 'done')"


class Search(Frozen):
    """See `stores.memory_port_reading.SearchReader`."""

    store: Store

    def telling(self, query: str) -> str:
        """See the port."""
        return telling_words(query, self._memories_with)

    def _memories_with(self, word: str) -> int:
        with self._of_index():
            return int(self.store.db.value(CONTAINING, (_phrase(word),)))

    def matches(self, query: str, namespace: str | None, *, substrate: bool = True) -> Iterator[Match]:
        """See the port."""
        scope, names = within(self.store, namespace, "m.namespace", substrate=substrate)
        for number, worth in self._asked(MATCHES.format(scope=scope), query, names):
            yield Match(number, worth or 0.0)

    def bm25(self, query: str, numbers: Collection[int]) -> dict[int, float]:
        """See the port."""
        return {
            number: worth or 0.0 for number, worth in self._asked(WORTH, query, {"numbers": json.dumps([*numbers])})
        }

    def _asked(self, sql: str, query: str, bindings: Mapping[str, Binding]) -> Iterator[Row]:
        if asked := words(query):
            expression = " OR ".join(map(_phrase, asked))
            with self._of_index():
                yield from self.store.db.stream(sql, {**bindings, "words": expression})

    @contextmanager
    def _of_index(self) -> Iterator[None]:
        """Say of what fails in the block that the index cannot be used.

        Raises:
            WordIndexUnusable: see `word_index.unusable`.
        """
        try:
            yield
        except DataRefused as error:
            raise word_index.unusable(self.store, error) from error

    def vectors(self, namespace: str | None, *, substrate: bool = True) -> Iterator[VectorPage]:
        """See the port."""
        from ai_memory.stores.sqlite.vector_pages import vector_pages

        return vector_pages(self.store, namespace, substrate=substrate)

    def nearest(self, wanted: Neighbours) -> None:
        """See the port: a file has no such index."""

    def vector(self, row_number: int) -> StoredVector:
        """See the port."""
        blob, dim = self.store.db.execute(VECTOR.format(rows=served(self.store)), (row_number,))[0]
        return StoredVector(blob, dim)

    def numbers(self, memory_ids: Sequence[str]) -> dict[str, int]:
        """See the port."""
        found = {each: self.store.db.execute(NUMBER, (self.store.codec.bound(each),)) for each in memory_ids}
        return {each: int(rows[0][0]) for each, rows in found.items() if rows}

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


def _phrase(word: str) -> str:
    return '"{}"'.format(word.replace('"', '""'))
