"""Another writer, that knows nothing of the migration and edits the database while texts are being embedded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from tests.crash.vfs import Recorder

NOW = "2026-03-04T05:06:07+00:00"
INSERT = """
    INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at) VALUES (?, 'long', ?, ?, ?, ?, ?)
"""
COLUMNS = "SELECT name FROM pragma_table_info('memories') WHERE name NOT LIKE 'embedding%'"
SET_CONTENT = "UPDATE memories SET content = ? WHERE id = ?"
SET_VECTOR = "UPDATE memories SET embedding = ? WHERE id = ?"
MOVE = "UPDATE memories SET namespace = 'B', title = ? WHERE id = ?"
DELETE = "DELETE FROM memories WHERE id = ?"
CONTENT = "SELECT content FROM memories WHERE id = ?"
TEXT = "SELECT title || ' ' || content FROM memories WHERE id = ?"
SRC = "SELECT src FROM embedding_provenance WHERE memory_id = ?"
OF_TEXT = "SELECT id FROM memories WHERE title || ' ' || content = ?"
DONE = "SELECT m.id FROM memories m JOIN embedding_provenance p ON p.memory_id = m.id ORDER BY m.id LIMIT 1 OFFSET ?"

Rows = tuple[tuple[Any, ...], ...]
"""Everything in `memories` but the columns of the vector, in the order of the ids."""


@dataclass(frozen=True, slots=True)
class Edited:
    """Another writer's commit returned: the row it touched, and what then stood in `memories`.

    `src` is the hash of the text that the row's provenance then named: only an edit may leave a vector of an
    older text behind. `again` is the text whose vector it wrote over: to send that one again is nobody's fault.
    """

    id: str
    rows: Rows
    src: bytes | None
    again: str = ""


@dataclass(slots=True)
class Editor:
    """The writer. It commits with `synchronous=NORMAL`, as the Rust program does, and checkpoints after a few pages.

    `in_hand` is a row whose text has just been sent, `calls` the number of requests so far.
    """

    connection: apsw.Connection
    recorder: Recorder
    in_hand: str = ""
    calls: int = 0

    @classmethod
    def at(cls, database: str, vfs: str, recorder: Recorder) -> Editor:
        """Return the writer at work on `database`."""
        connection = apsw.Connection(database, vfs=vfs)
        connection.set_busy_timeout(20_000)
        connection.execute("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 30")
        if connection.pragma("journal_mode") != "wal":
            # Without a log NORMAL may leave a damaged file behind a loss of power (sqlite.org, PRAGMA synchronous).
            connection.execute("PRAGMA synchronous = EXTRA")
        return cls(connection, recorder)

    def during(self, texts: Sequence[str]) -> None:
        """Make the edits that are due in this request."""
        self.calls += 1
        self.in_hand = str(self.connection.execute(OF_TEXT, (texts[0],)).get)
        for edit in EDITS.get(self.calls, ()):
            edit(self)

    def rows(self) -> Rows:
        """Return what stands in `memories`."""
        return read_rows(self.connection)

    def commit(self, row_id: str, sql: str, *bindings: str | bytes, again: str = "") -> None:
        """Run one statement, which is one commit, and mark that it is in the file."""
        self.connection.execute(sql, bindings)
        src = self.connection.execute(SRC, (row_id,)).get
        self.recorder.mark(Edited(row_id, self.rows(), src, again))

    def edit_in_hand(self) -> None:
        """Change the text of the row that is being embedded."""
        self._edit(self.in_hand)

    def edit_done(self) -> None:
        """Change the text of a row that is behind the cursor."""
        self._edit(self._done(0))

    def edit_away_and_back(self) -> None:
        """Change the text of the row that is being embedded, and change it back."""
        before = str(self.connection.execute(CONTENT, (self.in_hand,)).get)
        self._edit(self.in_hand)
        self.commit(self.in_hand, SET_CONTENT, before, self.in_hand)

    def insert_behind(self) -> None:
        """Store a row whose id sorts before all others."""
        self._insert(f"!{self.calls:03}", "global")

    def insert_in_new_namespace(self) -> None:
        """Store a row in a namespace that was not there when the pass began."""
        self._insert(f"n{self.calls:03}", f"born/{self.calls}")

    def move_in_hand(self) -> None:
        """Move the row that is being embedded to the namespace that is walked first, under another title."""
        self.commit(self.in_hand, MOVE, f"Moved {self.calls}", self.in_hand)

    def delete_in_hand(self) -> None:
        """Delete the row that is being embedded."""
        self.commit(self.in_hand, DELETE, self.in_hand)

    def recreate_in_hand(self) -> None:
        """Delete the row that is being embedded and store another one of the same id."""
        self.delete_in_hand()
        self._insert(self.in_hand, "global")

    def foreign_vector(self) -> None:
        """Store a vector of the old model over one of ours."""
        done = self._done(1)
        again = str(self.connection.execute(TEXT, (done,)).get)
        self.commit(done, SET_VECTOR, b"\x01" + b"\x00\x00\x80\x3f" * 16, done, again=again)

    def _edit(self, row_id: str) -> None:
        self.commit(row_id, SET_CONTENT, f"edited in call {self.calls}", row_id)

    def _insert(self, row_id: str, namespace: str) -> None:
        values = (row_id, namespace, f"New {self.calls} {row_id}", f"inserted in call {self.calls}", NOW, NOW)
        self.commit(row_id, INSERT, *values)

    def _done(self, number: int) -> str:
        return str(self.connection.execute(DONE, (number,)).get)


EDITS: dict[int, tuple[Callable[[Editor], None], ...]] = {
    1: (Editor.edit_in_hand, Editor.insert_behind),
    2: (Editor.delete_in_hand,),
    3: (Editor.edit_away_and_back, Editor.insert_in_new_namespace),
    4: (Editor.foreign_vector, Editor.move_in_hand),
    5: (Editor.recreate_in_hand, Editor.edit_done),
    6: (Editor.edit_in_hand,),
    8: (Editor.edit_in_hand,),
}
"""What the writer does during which request of the sweep."""


def read_rows(connection: apsw.Connection) -> Rows:
    """Return everything in `memories` but the columns of the vector."""
    names = ", ".join(f'"{row[0]}"' for row in connection.execute(COLUMNS))
    return tuple(connection.execute(f"SELECT {names} FROM memories ORDER BY id"))
