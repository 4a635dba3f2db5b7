"""Tells how much room what is ours takes in the database, gives it back, and how far the log grows."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from ai_memory.stores.postgres.connection import OURS
from ai_memory.stores.served import ExchangeRoom
from ai_memory.stores.values import Room

if TYPE_CHECKING:
    from ai_memory.stores.postgres.base import Store
    from ai_memory.stores.postgres.connection import Connection

TABLES = ("embedding_previous", "embedding_staged")
"""Those that shrink; what stands in the memories is not ours to move."""
# Of the table and of what stands aside of it (TOAST): without indexes, which are never empty.
SIZE = """
    SELECT coalesce(sum(pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)), 0)::bigint
    FROM pg_class AS c WHERE c.oid = to_regclass(%(table)s)
"""
WHOLE = (
    "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::bigint FROM unnest(%(tables)s::text[]) AS name"
)
STAGED = "SELECT count(*) FROM embedding_staged"
KEPT = "SELECT coalesce(sum(kept_rows), 0)::bigint, coalesce(sum(kept_bytes), 0)::bigint FROM reembed_run"
VACUUM = "VACUUM (FULL) {schema}.{table}"
LARGEST_LOG = "SELECT pg_size_bytes(current_setting('max_wal_size'))"
PAGE, USED = 8_192, 8_150
"""Bytes of a page, and those of it that hold rows."""
MEMORIES = """
    SELECT pg_relation_size(to_regclass('memories')), pg_size_bytes(current_setting('maintenance_work_mem')),
        current_setting('max_parallel_maintenance_workers')::integer > 0, EXISTS (
            SELECT 1 FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
            WHERE i.indrelid = to_regclass('memories') AND m.amname = 'hnsw'
        )
"""
INDEXED, BUILT = 300, 720
"""Bytes of a row beside its vector in an HNSW index of pgvector, and while it is built (0.8.6, m = 16, 2026-11-27)."""
MOVED_AT_ONCE = 1_000


def free(store: Store) -> int:
    """Return about how many bytes of our tables are free, to be used again."""
    [(rows, size)] = store.db.execute(KEPT)
    kept = max(int(store.db.value(SIZE, {"table": TABLES[0]})) - Room(int(rows), int(size)).on_disk, 0)
    staged = 0 if store.db.value(STAGED) else int(store.db.value(SIZE, {"table": TABLES[1]}))
    return kept + staged


def give_back(db: Connection) -> int:
    """Give what is free in our tables back to the file system; return how many bytes that was.

    Whoever reads or writes them waits; nobody does but our own program. The memories are left alone.
    """
    before = int(db.value(WHOLE, {"tables": list(TABLES)}))
    for table in TABLES:
        db.run(VACUUM.format(schema=OURS, table=table))
    return before - int(db.value(WHOLE, {"tables": list(TABLES)}))


def of_exchange(store: Store, dim: int, rows: int) -> ExchangeRoom:
    """Return what it takes to move so many vectors of a width to columns beside the memories', and to index them."""
    heap, limit, workers, indexed = store.db.execute(MEMORIES)[0]
    vector = 4 * dim
    index = ceil(rows / max(USED // (vector + INDEXED), 1)) * PAGE if indexed else 0
    return ExchangeRoom(
        # Each memory is written anew with it, and what it was stays until it is vacuumed.
        columns=int(heap) + rows * vector,
        index=index,
        log=log_room(store, rows, at_once=MOVED_AT_ONCE, row_bytes=vector) + index,
        memory=rows * (vector + BUILT) if indexed else 0,
        memory_limit=int(limit),
        workers=bool(workers),
    )


def log_room(store: Store, rows: int, *, at_once: int, row_bytes: int) -> int:
    """Return about how many bytes the log grows by at most while rows are written, `at_once` of them in a commit.

    After a checkpoint each page that is written first stands in it whole. From `max_wal_size` on the server keeps no
    more of it, unless a replica or an archive has to be waited for.
    """
    row = PAGE + row_bytes
    commit = min(rows, at_once) * row
    most = int(store.db.value(LARGEST_LOG)) + commit
    return min(rows * row + ceil(rows / at_once) * PAGE, most)
