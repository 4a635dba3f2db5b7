"""Finds memories by their words, with PostgreSQL's own text search, and reads vectors for comparison."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.memory_values import Match, StoredVector, Text
from ai_memory.stores.postgres.names import storable, those_storable
from ai_memory.stores.postgres.nearest import nearest
from ai_memory.stores.postgres.scopes import within
from ai_memory.stores.postgres.transactions import streamed
from ai_memory.stores.postgres.vector_pages import vector_pages
from ai_memory.stores.postgres.which_rows import NUMBER, PLACE, own, served
from ai_memory.stores.query_words import telling_words, words

if TYPE_CHECKING:
    from ai_memory.stores.memory_values import Neighbours, VectorPage
    from ai_memory.stores.postgres.base import Store
    from ai_memory.stores.postgres.connection import Row

# Each word of a query is text and no syntax; any of them is enough.
ANY_WORD = """(
    SELECT string_agg(nullif(plainto_tsquery('english', word)::text, ''), ' | ')::tsquery
    FROM unnest(%(words)s::text[]) AS word
)"""
TSV, MADE = "t.tsv", "to_tsvector('english', t.title || ' ' || t.content)"
"""What words are looked for in: the Rust program keeps it with each memory."""
MATCHES = f"""
    SELECT {NUMBER}, ts_rank({{tsv}}, asked.query)::float8 AS worth
    FROM (SELECT {ANY_WORD} AS query) AS asked, memories AS t JOIN {{rows}} AS m ON m.id = t.id
    WHERE {{tsv}} @@ asked.query AND m.live AND {{scope}} ORDER BY worth DESC, t.created_at, t.id
"""
CONTAINING = """
    SELECT count(*) FROM (
        SELECT 1 FROM memories AS t WHERE {tsv} @@ plainto_tsquery('english', %(word)s) LIMIT 1000
    ) AS found
"""
WORTH = f"""
    SELECT numbers.number, ts_rank({{tsv}}, asked.query)::float8
    FROM (SELECT {ANY_WORD} AS query) AS asked, unnest(%(numbers)s::bigint[]) AS numbers (number)
    JOIN memories AS t ON t.ctid = ('(' || (numbers.number >> 16) || ',' || (numbers.number & 65535) || ')')::tid
    WHERE {{tsv}} @@ asked.query
"""
VECTOR = f"SELECT {{sent}}, m.embedding_dim FROM {{rows}} AS m WHERE m.place = {PLACE}"
FOUND = "SELECT t.id, t.namespace, t.title, t.content FROM memories AS t WHERE t.ctid = {place}"
NUMBERS = f"SELECT m.id, {NUMBER} FROM {{rows}} AS m WHERE m.id = ANY(%(ids)s::text[]) AND m.live"
# What a staged run made is not served, and replaced nothing, before it is switched to.
RUNS = "SELECT count(*) FROM reembed_run WHERE staged = 0 OR moved > 0 OR state IN ('switched', 'done')"


class Search(Frozen):
    """See `stores.memory_port_reading.SearchReader`."""

    store: Store

    def telling(self, query: str) -> str:
        """See the port."""
        return telling_words(query, self._memories_with)

    def _memories_with(self, word: str) -> int:
        return int(self.store.db.value(CONTAINING.format(tsv=self._tsv), {"word": word})) if storable(word) else 0

    def matches(self, query: str, namespace: str | None, *, substrate: bool = True) -> Iterator[Match]:
        """See the port."""
        scope, names = within(namespace, "t.namespace", substrate=substrate)
        sql = MATCHES.format(rows=own(self.store), scope=scope, tsv=self._tsv)
        for number, worth in self._asked(sql, query, names):
            yield Match(int(number), worth)

    def bm25(self, query: str, numbers: Collection[int]) -> dict[int, float]:
        """See the port."""
        sql = WORTH.format(tsv=self._tsv)
        return {int(number): worth for number, worth in self._asked(sql, query, {"numbers": list(numbers)})}

    def _asked(self, sql: str, query: str, bindings: dict[str, str] | dict[str, list[int]]) -> Iterator[Row]:
        if asked := those_storable(words(query)):
            yield from streamed(self.store.db, sql, {**bindings, "words": asked})

    @property
    def _tsv(self) -> str:
        return TSV if "tsv" in self.store.schema.columns else MADE

    def vectors(self, namespace: str | None, *, substrate: bool = True) -> Iterator[VectorPage]:
        """See the port."""
        return vector_pages(self.store, namespace, substrate=substrate)

    def nearest(self, wanted: Neighbours) -> VectorPage | None:
        """See the port."""
        return nearest(self.store, wanted)

    def vector(self, row_number: int) -> StoredVector:
        """See the port."""
        form = self.store.schema.form
        sql = VECTOR.format(sent=form.sent("m.embedding"), rows=served(self.store))
        sent, dim = self.store.db.execute(sql, {"number": row_number})[0]
        return StoredVector(form.blob(sent) or b"", dim)

    def numbers(self, memory_ids: Sequence[str]) -> dict[str, int]:
        """See the port."""
        found = self.store.db.execute(NUMBERS.format(rows=own(self.store)), {"ids": those_storable(memory_ids)})
        return {str(row_id): int(number) for row_id, number in found}

    def text(self, row_number: int) -> Text:
        """See the port."""
        return Text(*self.store.db.execute(FOUND.format(place=PLACE), {"number": row_number})[0])

    def has_runs(self) -> bool:
        """See the port."""
        return bool(self.store.db.value(RUNS))
