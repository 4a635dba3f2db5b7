"""Reads many memories: a line each for a list, all of each for an export, those without a vector for a backfill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ai_memory.memory.records import Memory, Value
from ai_memory.stores.memory_values import Summary
from ai_memory.stores.sqlite.consistent import FIRST_ROW
from ai_memory.stores.sqlite.namespaces import require_found, within
from ai_memory.stores.sqlite.which_rows import served

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.sqlite.rows import Rows

LACKING = """
    SELECT row_number, CAST(id AS BLOB), CAST(namespace AS BLOB) FROM {rows}
    WHERE row_number > ? AND embedding IS NULL AND live AND typeof(id) = 'text' ORDER BY row_number LIMIT ?
"""
SUMMARY = """
    SELECT CAST(id AS BLOB), CAST(namespace AS BLOB), CAST(title AS BLOB), CAST(updated_at AS BLOB), live,
           embedding IS NOT NULL
    FROM {rows} WHERE {scope} ORDER BY row_number
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """See `stores.memory_port_reading.Listing`; `rows` are those of the memories."""

    store: Store
    rows: Rows

    def require_found(self, namespace: str | None) -> None:
        """See the port."""
        require_found(self.store, namespace)

    def summaries(self, namespace: str | None) -> Iterator[Summary]:
        """See the port."""
        scope, names = within(self.store, namespace, "namespace")
        name = self.store.codec.name
        for row in self.store.db.stream(SUMMARY.format(scope=scope, rows=served(self.store)), names):
            texts = [name(value or b"") for value in row[1:4]]
            yield Summary(
                None if row[0] is None else name(row[0]), texts[0], texts[1], texts[2], bool(row[4]), bool(row[5])
            )

    def all(self, namespace: str | None) -> Iterator[Memory]:
        """See the port."""
        return map(Memory, self.rows.stream(*within(self.store, namespace, "namespace")))

    def told(self, memory: Memory) -> dict[str, Value]:
        """See the port."""
        return self.rows.told(memory.values)

    def lacking_vectors(self, *, after: int | None, limit: int) -> list[tuple[int, str, str]]:
        """See the port."""
        name = self.store.codec.name
        found = self.store.db.execute(
            LACKING.format(rows=served(self.store)), (FIRST_ROW if after is None else after, limit)
        )
        return [(number, name(row_id), name(namespace)) for number, row_id, namespace in found]
