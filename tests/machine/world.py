"""A database with other writers in it, beside a shadow of what it would be without us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw

from ai_memory.stores.sqlite.database import writing
from tests.support import promises, shapes
from tests.support.promises import Stored, View

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


class World:
    """One database file and its other writers.

    `touched` are the rows changed since the runner last began a snapshot, `touched_before` those changed between the
    one before and that one, `disturbed` those changed at all, each with the `tick` of its last change. `left` is the
    vector that stood in a row when others last changed it, `stood` all that ever did so, each with the text that it
    stood beside; `bearers` are the rows that ever had a text.
    """

    def __init__(self, folder: Path, beginning: int) -> None:
        """Begin with the given one of BEGINNINGS."""
        self.path = folder / "memories.db"
        self.path.write_bytes(template(beginning))
        self.file = apsw.Connection(str(self.path))
        self.file.set_busy_timeout(0)
        self.shadow = apsw.Connection(":memory:")
        with self.shadow.backup("main", self.file, "main") as backup:
            backup.step()
        self.bearers: dict[str, set[int]] = {}
        self.history: dict[int, list[bytes]] = {}
        self.graveyard: list[bytes] = []
        self.touched: set[int] = set()
        self.touched_before: set[int] = set()
        self.disturbed: dict[int, int] = {}
        self.last_change: dict[int, int] = {}
        self.tick = 0
        self.in_flight: frozenset[str] = frozenset()
        self.frozen = False
        self.left: dict[int, Stored] = {}
        self.stood: dict[int, set[tuple[str | None, Stored]]] = {}
        self._note(*self.view().rows)

    def close(self) -> None:
        self.file.close()
        self.shadow.close()

    def view(self) -> View:
        return promises.read(self.file)

    def pick(self, number: int) -> int | None:
        """Return the number of some row, None where there is none."""
        rows = [row[0] for row in self.shadow.execute("SELECT rowid FROM memories ORDER BY rowid")]
        return rows[number % len(rows)] if rows else None

    def begin_snapshot(self) -> None:
        """Hear that the runner looks at the file."""
        self.touched_before = set(self.touched)
        self.touched.clear()

    def change(self, sql: str, bindings: Sequence[apsw.SQLiteValue], *rows: int) -> bool:
        """Do what another writer does, in the file and in the shadow; False where a constraint forbids it.

        A frozen world has no other writers any more.
        """
        if self.frozen:
            return False
        try:
            self.file.execute(sql, bindings)
        except apsw.ConstraintError:
            return False
        self.shadow.execute(sql, bindings)
        self.touched.update(rows)
        self.disturbed.update(dict.fromkeys(rows, self.tick))
        self.last_change.update(dict.fromkeys(rows, self.tick))
        self._note(*rows)
        return True

    def _note(self, *rows: int) -> None:
        """Remember the text and the vector that rows have after a change by others."""
        now = self.view().rows
        for row in (now[number] for number in rows if number in now):
            self.left[row.rowid] = row.stored
            self.stood.setdefault(row.rowid, set()).add((row.text, row.stored))
            self.bearers.setdefault(row.text or "", set()).add(row.rowid)

    def has(self, column: str) -> bool:
        return column in promises.columns(self.shadow)


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
