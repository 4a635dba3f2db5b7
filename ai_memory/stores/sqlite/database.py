"""A memory database that is an SQLite file: opens it for reading, for writing, or anew; its lock and its copy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from ai_memory.errors import DataRefused
from ai_memory.frozen import Frozen
from ai_memory.memory.text_codec import Codec
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.port import Lock
from ai_memory.stores.sqlite import backup, connection, lock, transactions, vacuum
from ai_memory.stores.sqlite.consistent import require_log, seal
from ai_memory.stores.sqlite.ddl import check_ledger, migrate
from ai_memory.stores.sqlite.file import is_new, real_path, require_file
from ai_memory.stores.sqlite.occupied import occupied
from ai_memory.stores.sqlite.schema import read_schema, require_known
from ai_memory.stores.sqlite.side_file import require_one_name
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.sqlite.views import lay_views

if TYPE_CHECKING:
    from ai_memory.stores.holder import Holder


class Database(Frozen):
    """The file at a path, as `stores.port.Database`."""

    path: Path
    options: OpenOptions = OpenOptions()

    @property
    def name(self) -> str:
        """See the port."""
        return str(self.path)

    @contextmanager
    def read(self, *, one_state: bool = False) -> Iterator[Store]:
        """See the port."""
        with (reading_one_state if one_state else reading)(self.path, options=self.options) as store:
            yield store

    @contextmanager
    def write(self, *, now_ms: int) -> Iterator[Store]:
        """See the port."""
        with writing(self.path, now_ms=now_ms, options=self.options) as store:
            yield store

    @contextmanager
    def hold(self, holder: Holder, *, damaged: bool = False) -> Iterator[bool]:
        """See the port."""
        if not damaged:
            # Before anything is made beside it: who writes the file looks again under the lock.
            with self.read() as store:
                require_known(self.path, store.schema)
        with lock.runner_lock(self.path, holder) as obtained:
            yield obtained

    def lock(self) -> Lock:
        """See the port."""
        place = lock.lock_path(self.path)
        shown = quote(str(place))
        return Lock(
            name=str(place),
            state=lock.lock_state(self.path),
            holder=lock.read_holder(self.path),
            find=f"fuser -v {shown}",
            share=f"chmod {lock.mode_beside(self.path):o} {shown}",
            file=str(place),
        )

    def free_bytes(self) -> int:
        """See the port."""
        found = os.statvfs(real_path(self.path).parent)
        return found.f_bavail * found.f_frsize

    def vacuum(self, *, now_ms: int) -> int:
        """See the port."""
        with self.write(now_ms=now_ms) as store:
            return vacuum.vacuum(store.db)

    def require_free(self, to: Path) -> None:
        """See the port."""
        backup.require_free(to)

    def occupied(self, path: Path) -> str:
        """See the port."""
        return occupied(self.path, path)

    def back_up(self, to: Path, *, told: Callable[[int, int], None]) -> int:
        """See the port."""
        with self.read() as store:
            return backup.copy_to(store.db, to, told=told)


@contextmanager
def reading(path: Path, *, options: OpenOptions = OpenOptions()) -> Iterator[Store]:
    """Open an existing database read-only; no byte of its file changes.

    Whoever may not make files beside it reads it without locks: then a writer in between makes the reading void.

    Raises:
        DataRefused: the file is missing, is not a memory database, or is newer than this program.
        NotFinished: the file was written while it was read without locks.
    """
    db = connection.open_database(path, read_only=True, options=options)
    try:
        check_ledger(db)
        yield _store(db, options)
        db.handle.require_unchanged()
    except DataRefused:
        # What looks like damage may be a file that was half written just then.
        db.handle.require_unchanged()
        raise
    finally:
        db.close()


@contextmanager
def reading_one_state(path: Path, *, options: OpenOptions = OpenOptions()) -> Iterator[Store]:
    """Open an existing database and read one state of it, that of now; nothing can be written by this connection.

    Raises:
        DataRefused: see `reading`.
        NotFinished: it keeps no write-ahead log, so that its writers would have to wait.
    """
    # Not read-only: then a file is looked into that this process may hold locks on, and all of them would be dropped.
    db = connection.open_database(path, options=options)
    try:
        check_ledger(db)
        store = _store(db, options)
        require_log(db)
        with transactions.snapshot(db):
            seal(db)
            yield store
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
    db = connection.open_database(path, create=create, options=options)
    try:
        if not create:
            with db.handle.left_as_it_was():
                check_ledger(db)
                require_known(db.path, read_schema(db))
        migrate(db, now_ms=now_ms)
        if create:
            # A mistyped path begins an empty memory: that must not go unnoticed.
            db.tell(f"Created {path}.")
        yield _store(db, options, created=create)
    finally:
        db.close()


def _store(db: connection.Connection, options: OpenOptions, *, created: bool = False) -> Store:
    schema = read_schema(db)
    lay_views(db, schema)
    return Store(db=db, schema=schema, codec=Codec(schema.encoding, options.opener), created=created)
