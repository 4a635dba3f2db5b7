"""From the path of a database to what keeps it: the one door to the stores.

`database` is for the migration, `reading` and `writing` are for who asks for memories, and `place` for who asks
whether there is a database at all. `tell` hears what the user should know; with None, `options.tell` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ai_memory.errors import UsageError
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite import database as files
from ai_memory.stores.sqlite.library import Library
from ai_memory.stores.sqlite.place import Place
from ai_memory.text.database_address import DatabaseAddress

if TYPE_CHECKING:
    from ai_memory.stores import memory_port, place_port, port
    from ai_memory.stores.postgres import database as servers

Tell: TypeAlias = "Callable[[str], None] | None"


def database(path: Path, options: OpenOptions = OpenOptions(), *, tell: Tell = None) -> port.Database:
    """Return what a path leads to; nothing is opened yet."""
    options = _telling(options, tell)
    return _on_server(path, options) if isinstance(path, DatabaseAddress) else files.Database(path, options)


def place(path: Path, options: OpenOptions = OpenOptions()) -> place_port.Place:
    """Return the place of a database, whatever stands there; nothing is opened yet."""
    if isinstance(path, DatabaseAddress):
        server = _on_server(path, options)
        from ai_memory.stores.postgres import place as servers

        return servers.Place(server)
    return Place(files.Database(path, options))


@contextmanager
def reading(path: Path, *, tell: Tell = None, options: OpenOptions = OpenOptions()) -> Iterator[memory_port.Library]:
    """Open an existing database read-only; see `port.Database.read`."""
    if isinstance(path, DatabaseAddress):
        with _on_server(path, _telling(options, tell)).read() as opened:
            from ai_memory.stores.postgres import library

            yield library.Library(opened)
        return
    with files.reading(path, options=_telling(options, tell)) as store:
        yield Library(store)


@contextmanager
def writing(
    path: Path, *, now_ms: int, create: bool = False, tell: Tell = None, options: OpenOptions = OpenOptions()
) -> Iterator[memory_port.WritableLibrary]:
    """Open a database to write, with `create` also a missing one; see `port.Database.write`."""
    if isinstance(path, DatabaseAddress):
        with _on_server(path, _telling(options, tell)).write(now_ms=now_ms, create=create) as opened:
            from ai_memory.stores.postgres import library

            yield library.Library(opened)
        return
    with files.writing(path, now_ms=now_ms, create=create, options=_telling(options, tell)) as store:
        yield Library(store)


def _on_server(path: DatabaseAddress, options: OpenOptions) -> servers.Database:
    """Return the database of a server; its adapter is loaded only then.

    Raises:
        UsageError: what the adapter needs is not installed.
    """
    try:
        from ai_memory.stores.postgres.database import Database
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise UsageError(
            f"{path} is on a PostgreSQL server, and psycopg is not installed.",
            tip='Type: pip install "psycopg[binary]>=3.3.0"',
        ) from error
    return Database(path.address, options)


def _telling(options: OpenOptions, tell: Tell) -> OpenOptions:
    return replace(options, tell=tell) if tell else options
