"""Opens a memory database for reading, for writing, or anew: the one door to a `Store`, and its `Transaction`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ai_memory.errors import DataRefused
from ai_memory.memory.text_codec import Codec
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite.connection import Database, open_database
from ai_memory.stores.sqlite.ddl import check_ledger, migrate
from ai_memory.stores.sqlite.file import is_new, require_file
from ai_memory.stores.sqlite.schema import lay_view, read_schema, require_known
from ai_memory.stores.sqlite.side_file import require_one_name
from ai_memory.stores.sqlite.store import Store


@contextmanager
def reading(path: Path, *, options: OpenOptions = OpenOptions()) -> Iterator[Store]:
    """Open an existing database read-only; no byte of its file changes.

    Whoever may not make files beside it reads it without locks: then a writer in between makes the reading void.

    Raises:
        DataRefused: the file is missing, is no memory database, or is newer than this program.
        NotFinished: the file was written while it was read without locks.
    """
    db = open_database(path, read_only=True, options=options)
    try:
        check_ledger(db)
        yield _store(db)
        db.require_unchanged()
    except DataRefused:
        # What looks like damage may be a file that was half written just then.
        db.require_unchanged()
        raise
    finally:
        db.close()


@contextmanager
def writing(path: Path, *, now_ms: int, create: bool = False, options: OpenOptions = OpenOptions()) -> Iterator[Store]:
    """Open a database to write, with our own tables brought up to date.

    With `create` a missing file becomes an empty database, in WAL mode; one that is there keeps its journal mode.
    A file that is refused keeps every byte.

    Raises:
        DataRefused: the file is missing (without `create`), no memory database, read-only, newer than this program, or
            has a second name.
    """
    create = create and is_new(path)
    if not create:
        require_file(path)
        require_one_name(path)
    db = open_database(path, create=create, options=options)
    try:
        if not create:
            with db.left_as_it_was():
                check_ledger(db)
                require_known(db.path, read_schema(db))
        migrate(db, now_ms=now_ms)
        if create:
            # A mistyped path begins an empty memory: that must not go unnoticed.
            db.tell(f"Created {path}.")
        yield _store(db, created=create)
    finally:
        db.close()


def _store(db: Database, *, created: bool = False) -> Store:
    schema = read_schema(db)
    lay_view(db, schema)
    return Store(db=db, schema=schema, codec=Codec(schema.encoding), created=created)
