"""What a database has that a backup of it has not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ai_memory.stores.memory_values import Comparison, Differing
from ai_memory.stores.sqlite.consistent import memory_rows

if TYPE_CHECKING:
    from ai_memory.stores.sqlite.base import Store

ROWS = """
    SELECT CAST(m.id AS BLOB), CAST(m.title AS BLOB), CAST(m.namespace AS BLOB), CAST(m.content AS BLOB),
           m.encrypted_envelope, CAST(m.tags AS BLOB), CAST(m.metadata AS BLOB), CAST(m.tier AS BLOB),
           CAST(m.priority AS BLOB), CAST(m.source AS BLOB), CAST(m.expires_at AS BLOB),
           CAST(m.lifecycle_state AS BLOB)
    FROM memory_row AS m WHERE 1 {within}
"""
RUNS = "SELECT run_id, started_at FROM reembed_run"
TABLES = """
    SELECT CAST(name AS BLOB) FROM main.sqlite_master
    WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^' AND name NOT LIKE 'reembed^_%' ESCAPE '^'
      AND name NOT LIKE 'embedding^_%' ESCAPE '^' ORDER BY name
"""


def compare(live: Store, backup: Store) -> Comparison:
    """Return what `live` has beside `backup`; inside of `consistently` for both."""
    kept = {key: state for key, state, _ in _memories(backup)}
    absent, edited, shared = Differing(), Differing(), 0
    for key, state, title in _memories(live):
        if key not in kept:
            absent += title
            continue
        shared += 1
        if kept.pop(key) != state:
            edited += title
    runs = {*live.db.execute(RUNS)} - {*backup.db.execute(RUNS)}
    tables = {*live.db.execute(TABLES)} - {*backup.db.execute(TABLES)}
    names = tuple(live.codec.name(name) for (name,) in sorted(tables))
    return Comparison(absent, edited, len(kept), shared, len(runs), names)


def _memories(store: Store) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield what names a memory, a hash of all that a person put into it, and its title."""
    for row in memory_rows(store.db, ROWS, {}):
        yield _key(row), _hash(row), store.codec.name(row[1] or b"")


def _key(row: tuple[Any, ...]) -> bytes:
    # A memory without an id is known by its place.
    return b"i" + row[0] if row[0] is not None else _hash(row[1:3])


def _hash(values: tuple[Any, ...]) -> bytes:
    return hashlib.blake2b(repr(values).encode(), digest_size=16).digest()
