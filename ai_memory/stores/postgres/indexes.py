"""Makes the indexes of columns that stand beside the memories' own, so that others read and write meanwhile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import quoted
from ai_memory.stores.postgres.beside import NEXT, state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import Run

# The indexes that need one of the columns, in whatever way, and what stands beside under the name made of theirs.
INDEXES = """
    SELECT c.relname, quote_ident(c.relname), c.relnamespace::regnamespace::text, pg_get_indexdef(i.indexrelid),
        %(prefix)s || md5(c.relname), t.indisvalid, quote_literal(obj_description(c.oid, 'pg_class'))
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_class AS b ON b.relname = %(prefix)s || md5(c.relname) AND b.relnamespace = c.relnamespace
    LEFT JOIN pg_index AS t ON t.indexrelid = b.oid
    WHERE i.indrelid = to_regclass('memories') AND EXISTS (
        SELECT 1 FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
            AND a.attname = ANY(%(columns)s::text[])
    )
    ORDER BY c.relname
"""
DROP = "DROP INDEX CONCURRENTLY {schema}.{name}"
DROP_LEFT = "DROP INDEX {schema}.{name}"
LEFT = """
    SELECT c.relnamespace::regnamespace::text, quote_ident(c.relname)
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = to_regclass('memories') AND starts_with(c.relname, %(prefix)s)
"""
RENAME = "ALTER INDEX {schema}.{old} RENAME TO {new}"
COMMENT = "COMMENT ON INDEX {schema}.{name} IS {comment}"


class Index(Frozen):
    """An index of the memories' own columns, with the name of the one that stands beside, and whether that is whole.

    `whole` is None where there is none beside. `shown` is the name as SQL has it, `comment` the comment.
    """

    name: str
    shown: str
    schema: str
    definition: str
    beside: str
    whole: bool | None
    comment: str | None


def beside(store: Store, prefix: str) -> list[Index]:
    """Return the indexes of the memories' own columns, and what stands beside them under names with a prefix."""
    return [Index(*row) for row in store.db.execute(INDEXES, {"prefix": prefix, "columns": store.schema.of_vector})]


def make_beside(store: Store, run: Run) -> None:
    """Index the columns that the run has filled as the memories' own are; what is not whole is made anew."""
    found = state(store)
    if found is None or found.done or found.run_id != run.run_id:
        return
    for each in beside(store, NEXT):
        if each.whole:
            continue
        if each.whole is False:
            store.db.execute(DROP.format(schema=each.schema, name=each.beside))
        store.db.tell(
            f"The index {each.name} is made for the new vectors; the memories are read and written meanwhile."
        )
        store.db.execute(_definition(each, store.schema.of_vector))


def exchange(transaction: Transaction, made: Sequence[Index], *, away: str, come: str) -> None:
    """Give the names of the memories' own indexes to those that come, and names with `away` to those that had them."""
    for each in made:
        gone = away + each.beside.removeprefix(come)
        transaction.db.execute(RENAME.format(schema=each.schema, old=each.shown, new=gone))
        if each.whole is not None:
            transaction.db.execute(RENAME.format(schema=each.schema, old=each.beside, new=each.shown))
            if each.comment is not None:
                transaction.db.execute(COMMENT.format(schema=each.schema, name=each.shown, comment=each.comment))
    for schema, name in transaction.db.execute(LEFT, {"prefix": come}):
        # Somebody dropped the one whose name it was to have.
        transaction.db.execute(DROP_LEFT.format(schema=schema, name=name))


def _definition(index: Index, columns: Sequence[str]) -> str:
    """Return the statement that makes the same index on the columns beside."""
    kind, rest = index.definition.split(f"INDEX {index.shown} ON ", 1)
    table, way = rest.split(" USING ", 1)
    # Texts in it are nobody's names.
    way = re.sub(
        rf"'(?:[^']|'')*'|\b(?:{'|'.join(columns)})\b",
        lambda found: found[0] if found[0].startswith("'") else NEXT + found[0],
        way,
    )
    return f"{kind}INDEX CONCURRENTLY {quoted(index.beside)} ON {table} USING {way}"
