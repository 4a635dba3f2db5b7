"""The machine's databases as SQLite files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import apsw

from ai_memory.stores.sqlite.database import writing
from ai_memory.stores.sqlite.lock import lock_path
from tests.machine.storage import Begun, Refused, Statement, Trace, Value
from tests.support import promises, shapes
from tests.support.promises import View

OWN = 0
"""Our own schema; every other number is a version of ai-memory's, see tests/support/shapes.py."""

EASY = shapes.EMBEDDABLE
BEGINNINGS = (
    (OWN, EASY),
    (52, EASY),
    (57, shapes.KINDS - {shapes.OVERSIZE}),
    (80, EASY),
    (84, EASY),
    (101, shapes.KINDS),
)
GUARDED = (57, 101)
"""Those with triggers of their own. Where one runs with our update vectors are read back: a guard that hides others."""


@dataclass(frozen=True, slots=True)
class FileSide:
    """See `storage.Side`."""

    connection: apsw.Connection

    def execute(self, sql: str, bindings: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        try:
            return list(self.connection.execute(sql, bindings))
        except apsw.ConstraintError as error:
            raise Refused from error

    def view(self) -> View:
        return promises.read(self.connection)

    def vector(self, blob: bytes) -> Value:
        return blob

    def sent(self, column: str) -> str:
        return column

    def blob(self, sent: bytes | None) -> bytes | None:
        return sent

    def columns(self) -> list[str]:
        return promises.columns(self.connection)

    def other_columns(self) -> list[tuple[object, ...]]:
        return promises.other_columns(self.connection)

    def has_table(self, name: str) -> bool:
        return bool(self.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)))

    def require_sound(self) -> None:
        assert self.execute("PRAGMA integrity_check") == [("ok",)]
        self.execute("INSERT INTO memories_fts(memories_fts, rank) VALUES ('integrity-check', 1)")

    def close(self) -> None:
        self.connection.close()


class Files:
    """See `storage.Storage`; the databases stand in a folder of their own below `folder`.

    Other writers wait `patience_ms` for ours, which work in other threads.
    """

    beginnings = len(BEGINNINGS)
    fixed_width = False

    def __init__(self, folder: Path, patience_ms: int = 0) -> None:
        self._patience_ms = patience_ms
        self._folder = Path(mkdtemp(dir=folder))
        self._numbers = count()

    def begin(self, number: int) -> Begun:
        path = self._folder / f"memories-{next(self._numbers)}.db"
        path.write_bytes(template(number))
        file, shadow = apsw.Connection(str(path)), apsw.Connection(":memory:")
        file.set_busy_timeout(self._patience_ms)
        with shadow.backup("main", file, "main") as backup:
            backup.step()
        return Begun(path, FileSide(file), FileSide(shadow))

    @contextmanager
    def traced(self, trace: Trace | None) -> Iterator[None]:
        def hook(connection: apsw.Connection) -> None:
            def before(_cursor: apsw.Cursor, sql: str, _bindings: object) -> bool:
                assert trace is not None
                trace(Statement(sql == "BEGIN", connection.txn_state("main") == apsw.SQLITE_TXN_WRITE))
                return True

            connection.exec_trace = before

        with traced(hook if trace else None):
            yield

    @contextmanager
    def alone(self, path: Path) -> Iterator[None]:
        # Whoever is killed here leaves nothing open.
        del path
        yield

    def lose_lock(self, path: Path) -> None:
        lock_path(path).unlink(missing_ok=True)

    def close(self) -> None:
        rmtree(self._folder)


@contextmanager
def traced(hook: Callable[[apsw.Connection], None] | None) -> Iterator[None]:
    """Have `hook` see every connection opened inside the block, and no other hook any of these."""
    before = list(apsw.connection_hooks)
    apsw.connection_hooks[:] = [] if hook is None else [hook]
    try:
        yield
    finally:
        apsw.connection_hooks[:] = before


@lru_cache(maxsize=len(BEGINNINGS))
def template(number: int) -> bytes:
    """Return the bytes of a database, as one of BEGINNINGS asks for it."""
    version, kinds = BEGINNINGS[number]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        make = _own if version == OWN else lambda at: shapes.build(at, version, rows=3, kinds=kinds)
        _make(path, make, guarded=version in GUARDED)
        return path.read_bytes()


def _make(path: Path, make: Callable[[Path], object], *, guarded: bool) -> None:
    make(path)
    connection = apsw.Connection(str(path))
    for trigger in promises.TRIGGERS if guarded else ():
        connection.execute(trigger)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def _own(path: Path) -> None:
    with writing(path, now_ms=0, create=True):
        pass
