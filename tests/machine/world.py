"""A database with other writers in it, beside a shadow of what it would be without us."""

from __future__ import annotations

from collections.abc import Sequence

from tests.machine.storage import Refused, Storage, Value
from tests.support.promises import Stored, View


class World:
    """One database and its other writers.

    `touched` are the rows changed since the runner last began a snapshot, `touched_before` those changed between the
    one before and that one, `disturbed` those changed at all, each with the `tick` of its last change. `left` is the
    vector that stood in a row when others last changed it, `stood` all that ever did so, each with the text that it
    stood beside; `bearers` are the rows that ever had a text.
    """

    def __init__(self, storage: Storage, beginning: int) -> None:
        """Begin with the given one of the storage's beginnings."""
        self.storage = storage
        begun = storage.begin(beginning)
        self.path, self.file, self.shadow = begun.path, begun.file, begun.shadow
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
        return self.file.view()

    def pick(self, number: int) -> int | None:
        """Return the number of some row, None where there is none."""
        rows = [row[0] for row in self.shadow.execute("SELECT rowid FROM memories ORDER BY rowid")]
        return rows[number % len(rows)] if rows else None

    def begin_snapshot(self) -> None:
        """Hear that the runner looks at the database."""
        self.touched_before = set(self.touched)
        self.touched.clear()

    def change(self, sql: str, bindings: Sequence[Value], *rows: int) -> bool:
        """Do what another writer does, in the database and in the shadow; False where it is refused.

        A frozen world has no other writers any more.
        """
        if self.frozen:
            return False
        try:
            self.file.execute(sql, bindings)
        except Refused:
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
        return column in self.shadow.columns()
