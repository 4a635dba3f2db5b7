"""Finds what keeps the memories from taking vectors of another width, before a text is paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import OperatorNeeded, SchemaRefused
from ai_memory.memory.text_codec import printable
from ai_memory.stores.postgres import indexes
from ai_memory.stores.postgres.beside import BESIDE, NEXT, RECORDS

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store

WIDTH = """
    SELECT atttypmod FROM pg_attribute
    WHERE attrelid = to_regclass('memories') AND attname = %(column)s AND NOT attisdropped
"""
KEPT = "SELECT run_id FROM embedding_exchange WHERE done = 1"
MAY_ALTER = """
    SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class
    WHERE oid IN (to_regclass('memories'), to_regclass('archived_memories'))
"""
# An index is made, and renamed, in the schema of its table, which not every owner of a table may write.
MAY_INDEX = """
    SELECT relnamespace::regnamespace::text, quote_ident(current_user) FROM pg_class
    WHERE oid = to_regclass('memories') AND NOT has_schema_privilege(relnamespace, 'CREATE')
"""
MAY_NOT_RENAME = f"""
    SELECT oid::regclass::text FROM pg_class WHERE oid IN (to_regclass('{RECORDS}'), to_regclass('{BESIDE}'))
        AND NOT (pg_has_role(relowner, 'USAGE') AND has_schema_privilege(relnamespace, 'CREATE'))
    ORDER BY 1 LIMIT 1
"""
MAY_NOT_FIRE = """
    SELECT tgname FROM pg_trigger
    WHERE tgrelid = to_regclass('memories') AND NOT tgisinternal AND NOT has_function_privilege(tgfoid, 'EXECUTE')
        AND pg_get_triggerdef(oid) ~ '\\membedding(_dim|_space)?\\M'
    ORDER BY 1 LIMIT 1
"""
IS_INDEXED = """
    SELECT EXISTS (
        SELECT 1 FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
        WHERE i.indrelid = to_regclass('memories') AND m.amname IN ('hnsw', 'ivfflat')
    )
"""
OF_ONE_WIDTH = """
    SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = to_regclass('memories') AND pg_get_indexdef(i.indexrelid) ~ '(vector|halfvec|bit)\\([0-9]+\\)'
    ORDER BY 1 LIMIT 1
"""
# What stands on a column by its number goes with the old one: all but indexes and triggers, which are made again.
BUILT_ON = """
    SELECT d.refobjid::regclass::text || '.' || a.attname, pg_describe_object(d.classid, d.objid, d.objsubid)
    FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.refclassid = 'pg_class'::regclass AND a.attname = ANY(%(columns)s::text[]) AND (
        d.refobjid = to_regclass('archived_memories') OR d.refobjid = to_regclass('memories')
            AND d.classid <> ALL (ARRAY['pg_trigger'::regclass, 'pg_class'::regclass])
    )
    UNION ALL
    SELECT attrelid::regclass::text || '.' || attname, 'a NOT NULL' FROM pg_attribute
    WHERE attrelid IN (to_regclass('memories'), to_regclass('archived_memories'))
        AND attname = ANY(%(columns)s::text[]) AND attnotnull
    ORDER BY 1, 2 LIMIT 1
"""
INDEXED, STORED = 2_000, 16_000
"""The widest vectors that pgvector indexes by HNSW, and that it stores (0.8)."""


def width(store: Store, column: str = "embedding") -> int | None:
    """Return the width that a column of the memories gives its vectors now, None: none, or there is no such column."""
    found = store.db.value(WIDTH, {"column": column}) if store.schema.form.pgvector else None
    return int(found) if found is not None and found > 0 else None


def is_another_width(store: Store, dim: int) -> bool:
    """Return whether the memories take vectors of another width than `dim`; 0, not known yet, fits."""
    # Read with the schema; only where that is another one, it may have been changed by this program since.
    if not dim or store.schema.form.width in (None, dim):
        return False
    return width(store) not in (None, dim)


def require_none(store: Store, dim: int) -> None:
    """Check that columns for vectors of a width can be laid beside the memories' own, and change places with them.

    Raises:
        OperatorNeeded: there are such columns, of an earlier run.
        SchemaRefused: the vectors are too wide, something is built on the columns, or this user may not do that.
    """
    if (run_id := store.db.value(KEPT)) is not None:
        raise OperatorNeeded(
            f"What run {run_id} replaced is kept in columns beside the memories' own, and there is room for one width.",
            tip="Drop it: ai-memory reembed prune; or go back to it: ai-memory reembed switch --back",
        )
    most = INDEXED if store.db.value(IS_INDEXED) else STORED
    if dim > most:
        can = "indexed" if most == INDEXED else "stored"
        raise SchemaRefused(
            f"{store.name}: vectors of {dim} numbers cannot be {can}; {most} are the most.",
            tip="Configure a smaller dim, where the model gives one, or another model.",
        )
    _require_rights(store)
    for (name,) in store.db.execute(OF_ONE_WIDTH):
        raise SchemaRefused(
            f"{store.name}: the index {printable(name)} is of vectors of one width.",
            tip="Drop it before the run, and make it for the new width afterwards.",
        )
    require_nothing_built(store)


def _require_rights(store: Store) -> None:
    if not store.db.value(MAY_ALTER):
        raise SchemaRefused(
            f"{store.name}: this user may not alter the table memories, which takes vectors of {width(store)} numbers.",
            tip="Connect as the owner of the memories.",
        )
    for schema, user in store.db.execute(MAY_INDEX) if indexes.beside(store, NEXT) else ():
        raise SchemaRefused(
            f"{store.name}: this user may make no index for the new vectors in the schema {printable(schema)}.",
            tip=f"As its owner: GRANT CREATE ON SCHEMA {printable(schema)} TO {printable(user)}",
        )
    for (name,) in store.db.execute(MAY_NOT_RENAME):
        raise SchemaRefused(
            f"{store.name}: this user may not rename {printable(name)}, which says where vectors come from.",
            tip="Connect as the owner of that table.",
        )
    for (name,) in store.db.execute(MAY_NOT_FIRE):
        raise SchemaRefused(
            f"{store.name}: the trigger {printable(name)} is made again, and this user may not execute its function.",
            tip="Grant this user EXECUTE on it, or connect as its owner.",
        )


def require_nothing_built(store: Store) -> None:
    """Check that nothing stands on the columns of the vectors that would stay with the old ones.

    Raises:
        SchemaRefused: something does.
    """
    for column, built in store.db.execute(BUILT_ON, {"columns": store.schema.of_vector}):
        raise SchemaRefused(
            f"{store.name}: {printable(built)} stands on {column}, and would stay with the vectors of one width.",
            tip="Drop it, then run the same command again; make it anew afterwards.",
        )
