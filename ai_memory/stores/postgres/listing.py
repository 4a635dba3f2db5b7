"""Reads many memories: a line each for a list, all of each for an export, those without a vector for a backfill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.records import Memory, Value
from ai_memory.stores.memory_port_reading import EVERY_ONE
from ai_memory.stores.memory_values import Order, Selection, Summary
from ai_memory.stores.postgres.names import storable, those_storable
from ai_memory.stores.postgres.namespaces import require_found
from ai_memory.stores.postgres.rows import AS_TIME
from ai_memory.stores.postgres.scopes import within
from ai_memory.stores.postgres.transactions import streamed
from ai_memory.stores.postgres.which_rows import NUMBER, PLACE, served
from ai_memory.text.times import timestamp

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store
    from ai_memory.stores.postgres.rows import Rows

LACKING = f"""
    SELECT {NUMBER}, m.id, m.namespace FROM {{rows}} AS m
    WHERE m.place > {PLACE} AND m.embedding IS NULL AND m.live AND m.id IS NOT NULL ORDER BY m.place LIMIT %(limit)s
"""
SUMMARY = f"""
    SELECT t.id, t.namespace, t.title, {AS_TIME.format(column="t.updated_at")}, m.live, m.embedding IS NOT NULL
    FROM memories AS t JOIN {{rows}} AS m ON m.id = t.id WHERE {{conditions}} ORDER BY {{order}} LIMIT %(limit)s
"""
TAGGED = "EXISTS (SELECT 1 FROM jsonb_array_elements_text({array}) AS tag WHERE tag = %({tag})s)"
ARRAY = "CASE WHEN jsonb_typeof(t.tags) = 'array' THEN t.tags ELSE jsonb_build_array(t.tags) END"
OF_IDS = "t.id = ANY(%(ids)s::text[])"
SINCE = "t.updated_at >= %(since)s::timestamptz"
ORDERS = {
    Order.STORED: "t.created_at, t.id",
    Order.TITLE: 'lower(t.title COLLATE "C"), t.created_at, t.id',
    Order.CREATED: "t.created_at DESC, t.id DESC",
    Order.UPDATED: "t.updated_at DESC, t.id DESC",
    Order.PRIORITY: "t.priority DESC, t.created_at, t.id",
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
        if not all(map(storable, selection.tags)):
            return
        for row in streamed(self.store.db, *self._selecting(namespace, selection)):
            yield Summary(*row)

    def _selecting(self, namespace: str | None, selection: Selection) -> tuple[str, dict[str, object]]:
        """Return the statement that selects memories, and what to bind to it."""
        scope, bindings = within(namespace, "t.namespace")
        tags = {f"tag_{place}": tag for place, tag in enumerate(selection.tags)}
        conditions = [scope, *(TAGGED.format(array=ARRAY, tag=each) for each in tags)]
        values: dict[str, object] = {**bindings, **tags, "limit": selection.limit}
        if selection.since_ms is not None:
            conditions.append(SINCE)
            values["since"] = timestamp(selection.since_ms)
        order = ORDERS[selection.order]
        return SUMMARY.format(rows=served(self.store), conditions=" AND ".join(conditions), order=order), values

    def all(self, namespace: str | None) -> Iterator[Memory]:
        """See the port."""
        return map(Memory, self.rows.stream(*within(namespace, "t.namespace")))

    def of_ids(self, ids: Sequence[str]) -> dict[str, Memory]:
        """See the port."""
        found = map(Memory, self.rows.stream(OF_IDS, {"ids": those_storable(ids)}))
        return {each.id: each for each in found if each.id is not None}

    def told(self, memory: Memory) -> dict[str, Value]:
        """See the port."""
        return self.rows.told(memory.values)

    def lacking_vectors(self, *, after: int | None, limit: int) -> list[tuple[int, str, str]]:
        """See the port."""
        bindings = {"number": after or 0, "limit": limit}
        found = self.store.db.execute(LACKING.format(rows=served(self.store)), bindings)
        return [(int(number), row_id, namespace) for number, row_id, namespace in found]
