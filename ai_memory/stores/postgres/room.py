"""Tells how much room what is ours takes in the database, gives it back, and how far the log grows."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from ai_memory.stores.postgres.connection import OURS
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
PAGE = 8_192


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


def log_room(store: Store, rows: int, *, at_once: int, row_bytes: int) -> int:
    """Return about how many bytes the log grows by at most while rows are written, `at_once` of them in a commit.

    After a checkpoint each page that is written first stands in it whole. From `max_wal_size` on the server keeps no
    more of it, unless a replica or an archive has to be waited for.
    """
    row = PAGE + row_bytes
    commit = min(rows, at_once) * row
    most = int(store.db.value(LARGEST_LOG)) + commit
    return min(rows * row + ceil(rows / at_once) * PAGE, most)
