"""Reads the vector of a memory that still has one very text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.stores.postgres.names import storable

if TYPE_CHECKING:
    from ai_memory.stores.port_reading import Stored
    from ai_memory.stores.postgres.base import Store

STORED_VECTOR = """
    SELECT {sent} FROM {rows} AS m
    WHERE m.id = %(id)s AND m.title IS NOT DISTINCT FROM %(title)s AND m.content IS NOT DISTINCT FROM %(content)s
        AND (m.content <> '' OR {envelope} IS NOT DISTINCT FROM %(envelope)s::bytea)
"""


def stored_blob(store: Store, of: Stored, *, rows: str = "memories") -> bytes | None:
    """Return the vector BLOB of a memory if it still has the text `of` it, None where it has not or there is none.

    `rows` is the look at the memories in which it is looked for, see `which_rows`.
    """
    if not all(map(storable, (of.id, of.title, of.content))):
        return None
    form = store.schema.form
    sql = STORED_VECTOR.format(
        sent=form.sent("m.embedding"), rows=rows, envelope=store.schema.column("encrypted_envelope")
    )
    return form.blob(
        store.db.value(sql, {"id": of.id, "title": of.title, "content": of.content, "envelope": of.envelope})
    )
