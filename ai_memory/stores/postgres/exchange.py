"""Has the memories take vectors of another width: in columns beside their own, which then change places with them.

pgvector gives a column one width, and to change it rewrites the table while everybody waits. So the columns of the
vector and its stamp are laid anew beside the old ones, filled page by page, and indexed CONCURRENTLY; one short
transaction then exchanges names: of columns, of their indexes, of the records of both; the triggers on them are made
again. The old columns stay, under names of ours, until they are pruned: the way back is the same exchange.

What is archived has its vectors kept aside in the same way, and none of the new width: else nothing could be restored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import NotFinished
from ai_memory.stores.postgres import indexes, obstacles
from ai_memory.stores.postgres.beside import ARCHIVE, BEFORE, BESIDE, MEMORIES, NEXT, RECORDS, state
from ai_memory.stores.postgres.connection import OURS
from ai_memory.stores.postgres.locking import lock_tables
from ai_memory.stores.postgres.tables import has_table
from ai_memory.stores.values import Room

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store, Transaction
    from ai_memory.stores.values import Run
    from ai_memory.vectors.target import Fingerprint

SKIPPED = "embed_skip"
HEADER_BYTES = 1
"""Of a vector as a BLOB."""
NOTE = "INSERT INTO embedding_exchange (only_row, run_id, done) VALUES (1, %(run_id)s, 0)"
NOTE_DONE = "UPDATE embedding_exchange SET done = 1"
FORGET = f"DELETE FROM embedding_exchange; TRUNCATE {BESIDE};"
IS_OVER = "SELECT finished_at IS NOT NULL FROM reembed_run WHERE run_id = %(run_id)s"
# Of a table's columns the type as it is declared.
TYPES = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped
"""
ADD = "ALTER TABLE {table} ADD COLUMN {column} {type}"
DROP = "ALTER TABLE {table} DROP COLUMN {column}"
# How values of a column are stored, packed and sampled, and its comment, as ALTER TABLE and COMMENT say it; servers
# before 14 pack all columns in one way.
PROPERTIES = """
    SELECT CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END,
        CASE to_jsonb(a) ->> 'attcompression' WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END,
        greatest(attstattarget, -1), quote_literal(col_description(attrelid, attnum))
    FROM pg_attribute AS a WHERE attrelid = to_regclass(%(table)s) AND attname = %(column)s
"""
STORAGE = "ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE {storage}"
COMPRESSION = "ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION {way}"
STATISTICS = "ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS {target}"
COMMENT = "COMMENT ON COLUMN {table}.{column} IS {comment}"
# The Rust program leaves out whom it could not embed; its trigger takes a memory out again that gets a vector.
EMBEDDED_NOW = """
    DELETE FROM embed_skip AS s USING memories AS m WHERE m.id = s.memory_id AND m.embedding IS NOT NULL
"""
RENAME = "ALTER TABLE {table} RENAME COLUMN {old} TO {new}"
RENAME_TABLE = f"ALTER TABLE {OURS}.{{old}} RENAME TO {{new}}"
TRIGGERS = """
    SELECT quote_ident(tgname), pg_get_triggerdef(oid), tgenabled::text FROM pg_trigger
    WHERE tgrelid = to_regclass('memories') AND NOT tgisinternal
        AND pg_get_triggerdef(oid) ~ '\\membedding(_dim|_space)?\\M'
    ORDER BY tgname
"""
# Of a column by itself; those of the table are for all of its columns.
RIGHTS = """
    SELECT r.privilege_type, CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END,
        CASE WHEN r.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS r
    WHERE a.attrelid = to_regclass('memories') AND a.attname = %(column)s
"""
GRANT = "GRANT {right} ({column}) ON memories TO {whom}"
ENABLED = {"D": "DISABLE TRIGGER", "R": "ENABLE REPLICA TRIGGER", "A": "ENABLE ALWAYS TRIGGER"}
# As many as took their place, by an index: the columns themselves would be read for minutes.
COUNT_REPLACED = f"""
    SELECT count(*) FROM {RECORDS} WHERE fingerprint_id = (SELECT target FROM reembed_run WHERE run_id = %(run_id)s)
"""


def is_filled_for(store: Store, target: Fingerprint) -> bool:
    """Return whether columns stand beside that are filled with vectors of a target's width."""
    found = state(store)
    return found is not None and not found.done and obstacles.width(store, f"{NEXT}embedding") == target.dim


def lay(transaction: Transaction, run: Run, target: Fingerprint) -> None:
    """Lay the columns that a run fills, where the memories take vectors of another width; what it has filled stays.

    Raises:
        OperatorNeeded, SchemaRefused: see `obstacles.require_none`.
        NotFinished: somebody held the memories for too long.
    """
    found = state(transaction)
    if not obstacles.is_another_width(transaction, target.dim) or (found and found.run_id == run.run_id):
        return
    obstacles.require_none(transaction, target.dim)
    db = transaction.db
    lock_tables(db, MEMORIES)
    _drop_columns(transaction, NEXT)
    db.run(FORGET)
    types = _types(transaction, MEMORIES)
    for each in transaction.schema.of_vector:
        kind = f"vector({target.dim})" if each == "embedding" else types[each]
        _add(transaction, MEMORIES, NEXT + each, kind, like=each)
    db.execute(NOTE, {"run_id": run.run_id})


def exchange(transaction: Transaction, run: Run) -> None:
    """Have the columns that the run has filled be the memories' own; nothing where it fills none.

    Raises:
        NotFinished: somebody held the memories for too long, or made an index meanwhile.
    """
    found = state(transaction)
    if found is None or found.done or found.run_id != run.run_id:
        return
    if obstacles.width(transaction, f"{NEXT}embedding") == obstacles.width(transaction):
        # Somebody gave the memories that width meanwhile: the rest was moved to them.
        drop(transaction)
        return
    obstacles.require_nothing_built(transaction)
    _change_places(transaction, away=BEFORE, come=NEXT)
    if has_table(transaction.db, SKIPPED):
        transaction.db.execute(EMBEDDED_NOW)
    transaction.db.execute(NOTE_DONE)


def exchange_back(transaction: Transaction, run: Run) -> None:
    """Have the columns of before be the memories' own again, and drop those that the run filled."""
    found = state(transaction)
    if found is None or found.run_id != run.run_id:
        return
    if found.done:
        obstacles.require_nothing_built(transaction)
        _change_places(transaction, away=NEXT, come=BEFORE)
    drop(transaction)


def drop(transaction: Transaction) -> None:
    """Drop the columns that stand beside, with all that is kept for them."""
    lock_tables(transaction.db, *_tables(transaction))
    for prefix in (NEXT, BEFORE):
        _drop_columns(transaction, prefix)
    transaction.db.run(FORGET)


def kept(store: Store) -> list[tuple[int, Room]]:
    """Return the run whose replaced vectors stand in columns beside, and about how much that is."""
    found = state(store)
    if found is None or not found.done:
        return []
    rows = int(store.db.value(COUNT_REPLACED, {"run_id": found.run_id}))
    wide = obstacles.width(store, f"{BEFORE}embedding") or 0
    return [(found.run_id, Room(rows, rows * (4 * wide + HEADER_BYTES)))]


def is_left(store: Store) -> bool:
    """Return whether columns stand beside that no unfinished run fills."""
    found = state(store)
    return found is not None and bool(found.done or store.db.value(IS_OVER, {"run_id": found.run_id}))


def _change_places(transaction: Transaction, *, away: str, come: str) -> None:
    """Exchange the names of two sets of columns, in a moment: nobody reads or writes the memories meanwhile."""
    db, columns = transaction.db, transaction.schema.of_vector
    lock_tables(db, *_tables(transaction), RECORDS, BESIDE)
    made, triggers = indexes.beside(transaction, come), db.execute(TRIGGERS)
    if come == NEXT and not all(each.whole for each in made):
        what = f"{transaction.name}: an index was made meanwhile that the new vectors do not have yet."
        raise NotFinished(what, tip="Run the same command again.")
    width = obstacles.width(transaction, f"{come}embedding")
    for column in columns:
        rights = db.execute(RIGHTS, {"column": column})
        db.execute(RENAME.format(table=MEMORIES, old=column, new=away + column))
        db.execute(RENAME.format(table=MEMORIES, old=come + column, new=column))
        for right, whom, passed_on in rights:
            db.execute(GRANT.format(right=right, column=column, whom=whom) + passed_on)
    indexes.exchange(transaction, made, away=away, come=come)
    for name, definition, enabled in triggers:
        db.execute(f"DROP TRIGGER {name} ON {MEMORIES}")
        db.execute(definition)
        if enabled in ENABLED:
            db.execute(f"ALTER TABLE {MEMORIES} {ENABLED[enabled]} {name}")
    _set_archive_aside(transaction, width, away=away, come=come)
    for records, new in ((RECORDS, f"{RECORDS}_away"), (BESIDE, RECORDS), (f"{RECORDS}_away", BESIDE)):
        db.execute(RENAME_TABLE.format(old=records, new=new))


def _set_archive_aside(transaction: Transaction, width: int | None, *, away: str, come: str) -> None:
    types = _types(transaction, ARCHIVE)
    if not types.get("embedding", "").startswith("vector("):
        return
    for each in [name for name in transaction.schema.of_vector if name in types]:
        transaction.db.execute(RENAME.format(table=ARCHIVE, old=each, new=away + each))
        if come + each in types:
            transaction.db.execute(RENAME.format(table=ARCHIVE, old=come + each, new=each))
        else:
            kind = f"vector({width})" if each == "embedding" else types[each]
            _add(transaction, ARCHIVE, each, kind, like=away + each)


def _add(transaction: Transaction, table: str, column: str, kind: str, *, like: str) -> None:
    """Add a column that is stored, packed, sampled and commented like another one."""
    db = transaction.db
    db.execute(ADD.format(table=table, column=column, type=kind))
    for storage, way, target, comment in db.execute(PROPERTIES, {"table": table, "column": like}):
        db.execute(STORAGE.format(table=table, column=column, storage=storage))
        if way is not None:
            db.execute(COMPRESSION.format(table=table, column=column, way=way))
        if target is not None and target >= 0:
            db.execute(STATISTICS.format(table=table, column=column, target=target))
        if comment is not None:
            db.execute(COMMENT.format(table=table, column=column, comment=comment))


def _drop_columns(transaction: Transaction, prefix: str) -> None:
    for table in _tables(transaction):
        for each in [name for name in _types(transaction, table) if name.startswith(prefix)]:
            transaction.db.execute(DROP.format(table=table, column=each))


def _types(store: Store, table: str) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in store.db.execute(TYPES, {"table": table})}


def _tables(store: Store) -> list[str]:
    return [MEMORIES, *([ARCHIVE] if has_table(store.db, ARCHIVE) else [])]
