"""From the path of a database to the store that keeps it: the one door to the stores.

`database` is for the migration, which knows the port alone; `reading` and `writing` open a file for those who ask more
of it than the port has.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite import database as files

if TYPE_CHECKING:
    from ai_memory.stores import port
    from ai_memory.stores.sqlite.store import Store


def database(path: Path, options: OpenOptions = OpenOptions()) -> port.Database:
    """Return what a path leads to; nothing is opened yet."""
    return files.Database(path, options)


def reading(path: Path, *, options: OpenOptions = OpenOptions()) -> AbstractContextManager[Store]:
    """Open an existing database read-only; see `stores.sqlite.database.reading`."""
    return files.reading(path, options=options)


def writing(
    path: Path, *, now_ms: int, create: bool = False, options: OpenOptions = OpenOptions()
) -> AbstractContextManager[Store]:
    """Open a database to write, with `create` also a missing one; see `stores.sqlite.database.writing`."""
    return files.writing(path, now_ms=now_ms, create=create, options=options)
