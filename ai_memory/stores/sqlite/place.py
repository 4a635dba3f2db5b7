"""The place of a database file as `stores.place_port` has it: whether one stands there, and a backup to replace it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.stores.sqlite import file, health
from ai_memory.stores.sqlite.backup import replace_by, require_fit
from ai_memory.stores.sqlite.comparison import compare
from ai_memory.stores.sqlite.connection import open_database
from ai_memory.stores.sqlite.consistent import consistently
from ai_memory.stores.sqlite.library import Library
from ai_memory.stores.sqlite.remains import may_be_of_memories
from ai_memory.stores.sqlite.side_file import require_one_name
from ai_memory.stores.sqlite.transactions import snapshot

if TYPE_CHECKING:
    from ai_memory.stores.memory_values import Comparison
    from ai_memory.stores.sqlite.database import Database


class Place(Frozen):
    """See `stores.place_port.Place`."""

    database: Database

    @property
    def path(self) -> Path:
        """Where the file is, or would be."""
        return self.database.path

    def is_new(self) -> bool:
        """See the port."""
        return file.is_new(self.path)

    def require_findable(self) -> None:
        """See the port."""
        file.absolute(self.path)

    def require_one_name(self) -> None:
        """See the port."""
        require_one_name(self.path)

    def may_be_of_memories(self) -> bool:
        """See the port."""
        return may_be_of_memories(self.path)

    def complaints(self) -> list[str]:
        """See the port."""
        with closing(open_database(self.path, read_only=True)) as db:
            return health.complaints(db)

    @contextmanager
    def read(self) -> Iterator[Library]:
        """See the port."""
        with self.database.read() as store:
            yield Library(store)

    @contextmanager
    def backup(self, path: Path) -> Iterator[Backup]:
        """See the port."""
        with replace(self.database, path=path).read() as store, snapshot(store.db):
            yield Backup(Library(store), self)


class Backup(Frozen):
    """See `stores.place_port.Backup`."""

    library: Library
    place: Place

    @contextmanager
    def live(self) -> Iterator[Live]:
        """See the port."""
        with self.place.read() as library:
            yield Live(library, self.library)

    def put_in_place(self, *, damaged: bool, told: Callable[[int, int], None]) -> None:
        """See the port."""
        database = self.place.database
        replace_by(database.path, self.library.store.db, damaged=damaged, options=database.options, told=told)


class Live(Frozen):
    """See `stores.place_port.Live`."""

    library: Library
    backup: Library

    def require_fit(self) -> None:
        """See the port."""
        require_fit(self.library.store.db, self.backup.store.db)

    def compare(self) -> Comparison:
        """See the port."""
        live = self.library.store
        return consistently(live.db, lambda: compare(live, self.backup.store))
