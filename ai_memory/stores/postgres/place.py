"""The place of a PostgreSQL database as `stores.place_port` has it: whether memories stand in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ai_memory.errors import UsageError
from ai_memory.frozen import Frozen
from ai_memory.stores.postgres.connection import Connection
from ai_memory.stores.postgres.library import Library
from ai_memory.stores.postgres.tables import MEMORIES, has_table

if TYPE_CHECKING:
    from ai_memory.stores.postgres.database import Database


class Place(Frozen):
    """See `stores.place_port.Place`."""

    database: Database

    def is_new(self) -> bool:
        """See the port; the database itself is made by its server's owner."""
        with closing(Connection(self.database.address, read_only=True, options=self.database.options)) as db:
            return not has_table(db, MEMORIES)

    def require_findable(self) -> None:
        """See the port; an address is the same from everywhere."""

    def require_one_name(self) -> None:
        """See the port; whatever name leads to a database, its locks are the same."""

    def may_be_of_memories(self) -> bool:
        """See the port; what cannot be read of a database is its server's to tell."""
        return False

    def complaints(self) -> list[str]:
        """See the port."""
        with closing(Connection(self.database.address, read_only=True, options=self.database.options)):
            return []

    @contextmanager
    def read(self) -> Iterator[Library]:
        """See the port."""
        with self.database.read() as store:
            yield Library(store)

    def backup(self, path: Path) -> NoReturn:
        """See the port; PostgreSQL's own program puts a copy back."""
        raise UsageError(
            f"A copy of {self.database.name} is not put back by ai-memory.",
            tip=f"Do it by PostgreSQL's own program: pg_restore --clean --dbname='{self.database.name}' '{path}'",
        )
