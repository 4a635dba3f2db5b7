"""Reads many memories: a line each for a list, all of each for an export, those without a vector for a backfill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.records import Memory, Value
from ai_memory.stores.memory_port_reading import EVERY_ONE
from ai_memory.stores.memory_values import Order, Selection, Summary
from ai_memory.stores.sqlite.consistent import FIRST_ROW
from ai_memory.stores.sqlite.instants import julian
from ai_memory.stores.sqlite.namespaces import require_found, within
from ai_memory.stores.sqlite.which_rows import served
from ai_memory.text.times import timestamp

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store
    from ai_memory.stores.sqlite.connection import Binding
    from ai_memory.stores.sqlite.rows import Rows

LACKING = """
    SELECT row_number, CAST(id AS BLOB), CAST(namespace AS BLOB) FROM {rows}
    WHERE row_number > ? AND embedding IS NULL AND live AND typeof(id) = 'text' ORDER BY row_number LIMIT ?
"""
SUMMARY = """
    SELECT CAST(id AS BLOB), CAST(namespace AS BLOB), CAST(title AS BLOB), CAST(updated_at AS BLOB), live,
           embedding IS NOT NULL
    FROM {rows} WHERE {conditions} ORDER BY {order}
"""
LIMITED = "LIMIT :limit"
# Not every program writes tags as JSON: what is none is taken as `store --tags` takes them, with commas between.
TAGGED = """(
    EXISTS (
        SELECT 1 FROM json_each(CASE WHEN json_valid(CAST(tags AS TEXT)) THEN CAST(tags AS TEXT) ELSE '[]' END) AS tag
        WHERE CAST(tag.value AS TEXT) = CAST(:{tag} AS TEXT)
    )
    OR NOT json_valid(CAST(tags AS TEXT)) AND instr(
        ',' || replace(replace(trim(tags), ', ', ','), ' ,', ',') || ',', ',' || CAST(:{tag} AS TEXT) || ','
    )
)"""
SINCE = f"coalesce({julian('updated_at')} >= julianday(:since), 1)"
ORDERS = {
    Order.STORED: "row_number",
    Order.TITLE: "CAST(title AS TEXT) COLLATE NOCASE, row_number",
    Order.CREATED: f"{julian('created_at')} DESC, row_number DESC",
    Order.UPDATED: f"{julian('updated_at')} DESC, row_number DESC",
    Order.PRIORITY: "CAST(priority AS INTEGER) DESC, row_number",
}


class Listing(Frozen):
    """See `stores.memory_port_reading.Listing`; `rows` are those of the memories."""

    store: Store
    rows: Rows

    def require_found(self, namespace: str | None) -> None:
        """See the port."""
        require_found(self.store, namespace)

    def summaries(self, namespace: str | None, selection: Selection = EVERY_ONE) -> Iterator[Summary]:
        """See the port."""
        name = self.store.codec.name
        for row in self.store.db.stream(*self._selecting(namespace, selection)):
            texts = [name(value or b"") for value in row[1:4]]
            yield Summary(
                None if row[0] is None else name(row[0]), texts[0], texts[1], texts[2], bool(row[4]), bool(row[5])
            )

    def _selecting(self, namespace: str | None, selection: Selection) -> tuple[str, dict[str, Binding]]:
        """Return the statement that selects memories, and what to bind to it."""
        scope, bindings = within(self.store, namespace, "namespace")
        tags = {f"tag_{place}": self.store.codec.bound(tag) for place, tag in enumerate(selection.tags)}
        conditions = [scope, *(TAGGED.format(tag=each) for each in tags)]
        values: dict[str, Binding] = {**bindings, **tags}
        if selection.since_ms is not None:
            conditions.append(SINCE)
            values["since"] = timestamp(selection.since_ms)
        order = ORDERS[selection.order]
        if selection.limit is not None:
            order = f"{order} {LIMITED}"
            values["limit"] = selection.limit
        return SUMMARY.format(rows=served(self.store), conditions=" AND ".join(conditions), order=order), values

    def all(self, namespace: str | None) -> Iterator[Memory]:
        """See the port."""
        return map(Memory, self.rows.stream(*within(self.store, namespace, "namespace")))

    def of_ids(self, ids: Sequence[str]) -> dict[str, Memory]:
        """See the port."""
        found = map(Memory, self.rows.named("id", ids))
        return {each.id: each for each in found if each.id is not None}

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
