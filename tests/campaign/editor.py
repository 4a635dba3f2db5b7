"""Another program that edits the database, knows nothing of the migration, and keeps its own journal of what it did.

Usage: python -m tests.campaign.editor DB JOURNAL --seed N --per-second N --dim N    (ends cleanly on SIGTERM)

It runs none of our code, waits at most 5 s for another writer, as ai-memory does, and commits every edit by itself. A
line of the journal is written when the commit has returned. (Python's own sqlite3 may have SQLite 3.40, whose word
index does not bear another writer of today's SQLite: see docs/reliability.md.)
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import apsw

from tests.support import files

BUSY_TIMEOUT_MS = 5_000
THEIR_PRAGMAS = ("PRAGMA synchronous = NORMAL", "PRAGMA foreign_keys = ON")
STAMP = "2026-03-04T05:06:07+00:00"
NAMESPACES = ("a", "b", "A", "team/a", "zz")
ROWS = "SELECT id, namespace, title, content FROM memories WHERE id IS NOT NULL"
INSERT = """
    INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at)
    VALUES (:id, 'mid', :namespace, :title, :content, :now, :now)
"""
UPDATE = """
    UPDATE memories SET namespace = :namespace, title = :title, content = :content, updated_at = :now WHERE id = :id
"""
DELETE = "DELETE FROM memories WHERE id = ?"
SET_VECTOR = "UPDATE memories SET embedding = ? WHERE id = ?"
STAMP_VECTOR = "UPDATE memories SET embedding = ?, embedding_dim = ?{space} WHERE id = ?"
HAS_SPACE = "SELECT count(*) FROM pragma_table_info('memories') WHERE name = 'embedding_space'"


@dataclass(frozen=True, slots=True)
class Text:
    """One memory as the editor left it."""

    id: str
    namespace: str
    title: str
    content: str

    @property
    def document(self) -> str:
        return f"{self.title} {self.content}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit of the editor: the row it touched and what stands there now (None: nothing).

    `again` is a text that has to be sent once more through no fault of the migration; `waited` is how long the
    commit took, in seconds.
    """

    id: str
    kind: str
    now: Text | None
    again: str
    waited: float


def read_journal(path: Path) -> list[Entry]:
    """Return the commits of an editor, in order."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [Entry(**{**line, "now": Text(**line["now"]) if line["now"] else None}) for line in lines]


def read_texts(path: Path) -> dict[str, Text]:
    """Return the memories of a database by id."""
    return {row[0]: Text(*row) for row in files.execute(path, ROWS)}


class Editor:
    """The program's state: what it believes to stand in the file, and how often it wrote."""

    def __init__(self, database: Path, journal: Path, *, seed: int, dim: int) -> None:
        self.rows = read_texts(database)
        self.random = random.Random(seed)
        self.edits = 0
        self._dim = dim
        self._journal = journal.open("a", encoding="utf-8")
        self._connection = apsw.Connection(str(database))
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        for pragma in THEIR_PRAGMAS:
            self._connection.execute(pragma)
        self._has_space = bool(self._connection.execute(HAS_SPACE).get)

    def edit_once(self) -> None:
        """Make one edit of a random kind."""
        self.edits += 1
        name = self.random.choices(list(KINDS), weights=[weight for weight, _ in KINDS.values()])[0]
        KINDS[name][1](self)

    def insert(self) -> None:
        """Store a row that sorts before, among or behind all others."""
        prefix = self.random.choice(["!", "id-05-", "ID", "zz", "é"])
        row_id = f"{prefix}{self.edits}"
        self._put("insert", INSERT, Text(row_id, self._namespace(), f"new {row_id}", self._words()))

    def edit(self) -> None:
        """Change a content."""
        self._put("edit", UPDATE, replace(self._any(), content=self._words()))

    def retitle(self) -> None:
        """Change a title."""
        self._put("retitle", UPDATE, replace(self._any(), title=f"title {self.edits}"))

    def edit_away_and_back(self) -> None:
        """Change a content and, a moment later, change it back."""
        before = self._any()
        self._put("away", UPDATE, replace(before, content=self._words()))
        time.sleep(self.random.uniform(0, 0.1))
        self._put("back", UPDATE, before, again=before.document)

    def move(self) -> None:
        """Move a row to another namespace, perhaps one that was not there before."""
        row = self._any()
        namespace = self.random.choice([self._namespace(), f"born/{self.edits}"])
        self._put("move", UPDATE, replace(row, namespace=namespace, title=f"moved {self.edits}"))

    def delete(self) -> None:
        """Delete a row."""
        row = self._any()
        self._commit(Entry(row.id, "delete", None, "", 0.0), DELETE, (row.id,))
        del self.rows[row.id]

    def recreate(self) -> None:
        """Delete a row and store it again under the same id, with the same text or another one."""
        row = self._any()
        self._commit(Entry(row.id, "delete", None, "", 0.0), DELETE, (row.id,))
        if self.random.random() < 0.5:
            self._put("recreate", INSERT, row, again=row.document)
        else:
            self._put("recreate", INSERT, replace(row, content=self._words()))

    def foreign_vector(self) -> None:
        """Store a vector of the old model over whatever is there, with its stamp or without a word."""
        row = self._any()
        blob = b"\x01" + struct.pack(f"<{self._dim}f", *(self.random.uniform(-1, 1) for _ in range(self._dim)))
        entry = Entry(row.id, "foreign vector", row, row.document, 0.0)
        if self.random.random() < 0.5:
            self._commit(entry, SET_VECTOR, (blob, row.id))
        else:
            space = ", embedding_space = 'old/model#none'" if self._has_space else ""
            self._commit(entry, STAMP_VECTOR.format(space=space), (blob, self._dim, row.id))

    def _put(self, kind: str, sql: str, text: Text, *, again: str = "") -> None:
        self._commit(Entry(text.id, kind, text, again, 0.0), sql, {**asdict(text), "now": STAMP})
        self.rows[text.id] = text

    def _commit(self, entry: Entry, sql: str, bindings: Mapping[str, str] | tuple[str | bytes | int, ...]) -> None:
        began = time.perf_counter()
        self._connection.execute(sql, bindings)
        line = asdict(replace(entry, waited=time.perf_counter() - began))
        self._journal.write(json.dumps(line) + "\n")
        self._journal.flush()

    def _any(self) -> Text:
        return self.rows[self.random.choice(list(self.rows))]

    def _namespace(self) -> str:
        return self.random.choice(NAMESPACES)

    def _words(self) -> str:
        return f"edit {self.edits}: naïve 🐍 {self.random.random()}"


KINDS: Mapping[str, tuple[int, Callable[[Editor], None]]] = {
    "insert": (3, Editor.insert),
    "edit": (5, Editor.edit),
    "retitle": (1, Editor.retitle),
    "away and back": (2, Editor.edit_away_and_back),
    "move": (2, Editor.move),
    "delete": (1, Editor.delete),
    "recreate": (1, Editor.recreate),
    "foreign vector": (2, Editor.foreign_vector),
}
"""What the editor does, with how often it does it."""


def beats(per_second: float, stop: threading.Event) -> Iterator[None]:
    """Yield so many times a second, catching up after a delay, until the stop."""
    due = time.monotonic()
    while not stop.wait(max(due - time.monotonic(), 0)):
        yield
        due += 1 / per_second


def main() -> None:
    """Edit until a SIGTERM comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--per-second", type=float, required=True)
    parser.add_argument("--dim", type=int, required=True)
    args = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    editor = Editor(args.database, args.journal, seed=args.seed, dim=args.dim)
    for _ in beats(args.per_second, stop):
        editor.edit_once()


if __name__ == "__main__":
    main()
