"""A memory database in PostgreSQL: opens it for reading and for writing; its lock and its room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError, UsageError
from ai_memory.frozen import Frozen
from ai_memory.stores.holder import LockState
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.port import Lock
from ai_memory.stores.postgres import lock, room, transactions
from ai_memory.stores.postgres.connection import Connection
from ai_memory.stores.postgres.ddl import check_ledger, lay_empty_tables, migrate
from ai_memory.stores.postgres.schema import form_of_new, read_schema, require_known
from ai_memory.stores.postgres.store import Store
from ai_memory.stores.postgres.tables import MEMORIES, has_table
from ai_memory.text.database_address import shown

if TYPE_CHECKING:
    from ai_memory.stores.holder import Holder


class Database(Frozen):
    """The database at an address, as `stores.port.Database`."""

    address: str
    options: OpenOptions = OpenOptions()

    @property
    def name(self) -> str:
        """See the port."""
        return shown(self.address)

    @contextmanager
    def read(self, *, one_state: bool = False) -> Iterator[Store]:
        """See the port."""
        with closing(Connection(self.address, read_only=True, options=self.options)) as db:
            check_ledger(db)
            schema = read_schema(db)
            if not schema.has_reembed:
                lay_empty_tables(db, schema.form)
            store = Store(db, schema)
            if not one_state:
                yield store
                return
            with transactions.snapshot(db):
                # It is of now, not of whenever the first row is read.
                read_schema(db)
                yield store

    @contextmanager
    def write(self, *, now_ms: int, create: bool = False) -> Iterator[Store]:
        """See the port; with `create` a database without memories is given their table."""
        with closing(Connection(self.address, read_only=False, options=self.options)) as db:
            check_ledger(db)
            created = create and not has_table(db, MEMORIES)
            if created:
                migrate(db, form_of_new(db), now_ms=now_ms)
                db.tell(f"Created {db.name}.")
            schema = read_schema(db)
            require_known(db.name, schema)
            migrate(db, schema.form, now_ms=now_ms)
            yield Store(db, replace(schema, has_reembed=True), created)

    @contextmanager
    def hold(self, holder: Holder, *, damaged: bool = False) -> Iterator[bool]:
        """See the port."""
        with closing(Connection(self.address, read_only=True, options=self.options)) as db:
            if not damaged:
                check_ledger(db)
                require_known(db.name, read_schema(db))
            with lock.runner_lock(db, holder) as obtained:
                yield obtained

    def lock(self) -> Lock:
        """See the port."""
        state, holder = LockState.FREE, None
        try:
            with closing(Connection(self.address, read_only=True, options=self.options)) as db:
                state, holder = lock.lock_state(db)
        except AiMemoryError:
            # What is not there is held by nobody; what cannot be reached now is told by whoever opens it.
            pass
        return Lock(
            name=f"the runner's lock of {self.name}",
            state=state,
            holder=holder,
            find=f'psql "{self.name}" -c "{lock.FIND}"',
            share=f'psql "{self.name}" -c "{lock.FIND}"',
        )

    def free_bytes(self) -> None:
        """See the port; what room a server's disk has no statement tells."""

    def vacuum(self, *, now_ms: int) -> int:
        """See the port."""
        with self.write(now_ms=now_ms) as store:
            return room.give_back(store.db)

    def require_free(self, to: Path) -> None:
        """See the port; no copy can be made there."""
        raise _by_its_own_tools(self.name, to)

    def occupied(self, path: Path) -> str:  # noqa: ARG002 (of the port: no file is a server's database)
        """See the port."""
        return ""

    def back_up(self, to: Path, *, told: Callable[[int, int], None]) -> int:  # noqa: ARG002 (of the port)
        """See the port; PostgreSQL's own program makes a copy that can be restored."""
        raise _by_its_own_tools(self.name, to)


def _by_its_own_tools(name: str, to: Path) -> UsageError:
    return UsageError(
        f"A copy of {name} is not made by ai-memory.",
        tip=f"Make it by PostgreSQL's own program: pg_dump --format=custom --file='{to}' '{name}'",
    )
