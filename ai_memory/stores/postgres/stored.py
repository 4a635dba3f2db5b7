"""Reads the vector of a memory that still has one very text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.postgres.names import storable

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store

STORED_VECTOR = """
    SELECT {sent} FROM {rows} AS m
    WHERE m.id = %(id)s AND m.title IS NOT DISTINCT FROM %(title)s AND m.content IS NOT DISTINCT FROM %(content)s
"""


def stored_blob(store: Store, memory_id: str, title: str, content: str, *, rows: str = "memories") -> bytes | None:
    """Return the vector BLOB of a memory if it still has that very text, None where it has not or there is none.

    `rows` is the look at the memories in which it is looked for, see `which_rows`.
    """
    if not all(map(storable, (memory_id, title, content))):
        return None
    form = store.schema.form
    sql = STORED_VECTOR.format(sent=form.sent("m.embedding"), rows=rows)
    return form.blob(store.db.value(sql, {"id": memory_id, "title": title, "content": content}))
