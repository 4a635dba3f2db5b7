"""An SQLite file under the conformance suite for memories, with and without a write-ahead log."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ai_memory.memory.records import Value
from ai_memory.stores.memory_port import Library, WritableLibrary
from ai_memory.stores.memory_values import LeftBehind
from ai_memory.stores.opening import database, place, reading, writing
from ai_memory.stores.place_port import Place
from tests.stores.conformance import IDS, NOW_MS
from tests.support import files

LINKS = """
    CREATE TABLE memory_links (
        source_id TEXT NOT NULL REFERENCES memories(id) ON DELETE CASCADE,
        target_id TEXT NOT NULL REFERENCES memories(id) ON DELETE CASCADE,
        relation TEXT NOT NULL DEFAULT 'related_to',
        created_at TEXT NOT NULL,
        PRIMARY KEY (source_id, target_id, relation)
    )
"""
ATOMS = "ALTER TABLE memories ADD COLUMN atom_of TEXT REFERENCES memories(id)"
ARCHIVE = "CREATE TABLE archived_memories (id TEXT PRIMARY KEY)"


@dataclass(frozen=True, slots=True)
class SqliteMemorySubject:
    """The file at `path`; see `tests.stores.memory_conformance.MemorySubject`."""

    path: Path

    @property
    def place(self) -> Place:
        return place(self.path)

    @property
    def version(self) -> int | None:
        return None

    @property
    def width(self) -> int | None:
        return None

    def read(self) -> AbstractContextManager[Library]:
        return reading(self.path)

    def write(self) -> AbstractContextManager[WritableLibrary]:
        return writing(self.path, now_ms=NOW_MS)

    def created(self) -> AbstractContextManager[WritableLibrary]:
        return writing(self.path.with_name("new.db"), now_ms=NOW_MS, create=True)

    def absent(self) -> Place:
        return place(self.path.with_name("none.db"))

    def edit_all(self, content: str) -> bool:
        return files.edit_all(self.path, content)

    def edit_backup(self, backup: Path, content: str) -> None:
        files.edit_all(backup, content)

    def edit(self, row_id: str, content: str) -> None:
        files.edit(self.path, row_id, content)

    def set_column(self, row_id: str, column: str, value: Value) -> None:
        files.execute(self.path, f"UPDATE memories SET {column} = ? WHERE id = ?", value, row_id)

    def prioritise_new(self, priority: int) -> None:
        self._on_insert(f"UPDATE memories SET priority = {priority} WHERE id = new.id")

    def take_out(self, row_id: str, *, when: str) -> None:
        self._on_insert(f"DELETE FROM memories WHERE id = '{row_id}' AND new.title = '{when}'")

    def refuse_title(self, title: str, words: str) -> None:
        self._on_insert(f"SELECT RAISE(ABORT, '{words}') WHERE new.title = '{title}'")

    def end_at_title(self, title: str) -> None:
        self._on_insert(f"SELECT RAISE(ROLLBACK, 'no more') WHERE new.title = '{title}'")

    def refuse_writing(self) -> None:
        for number, table in enumerate(("memories", "memory_links")):
            body = "SELECT only_the_app_has_it(1)"
            files.execute(self.path, f"CREATE TRIGGER r{number} AFTER INSERT ON {table} BEGIN {body}; END")

    def refer_to(self, row_id: str) -> dict[str, int]:
        files.execute(self.path, 'CREATE TABLE "my notes" (m REFERENCES memories(id))')
        files.execute(self.path, 'INSERT INTO "my notes" VALUES (?1), (?1)', row_id)
        return {"my notes": 2}

    def drop_links(self) -> None:
        files.execute(self.path, "DROP TABLE memory_links")

    def leave_behind(self) -> LeftBehind:
        for sql in (ARCHIVE, "CREATE TABLE empty (x)", "CREATE TABLE full (x)"):
            files.execute(self.path, sql)
        files.execute(self.path, "INSERT INTO archived_memories VALUES ('old'), ('older')")
        files.execute(self.path, "INSERT INTO full VALUES (1)")
        return LeftBehind(2, ["full"])

    def empty_words(self) -> None:
        files.execute(self.path, "INSERT INTO memories_fts(memories_fts) VALUES ('delete-all')")

    def damage_words(self) -> None:
        files.execute(self.path, "DROP TABLE memories_fts_config")

    def damage(self) -> None:
        for each in self.path.parent.glob(f"{self.path.name}-*"):
            each.unlink()
        self.path.write_bytes(b"no database")

    def cut_off(self) -> None:
        os.truncate(self.path, 1000)

    def give_second_name(self) -> None:
        self.path.with_name("second.db").hardlink_to(self.path)

    def copied(self) -> Path:
        copy = self.path.with_name("copy.db")
        database(self.path).back_up(copy, told=lambda _done, _of: None)
        return copy

    def unfit(self) -> Path:
        files.execute(self.path, "PRAGMA journal_mode = wal")
        copy = self.copied()
        with files.opened(copy) as connection:
            connection.execute("PRAGMA page_size = 8192; VACUUM")
        return copy

    def _on_insert(self, body: str) -> None:
        files.execute(self.path, f"CREATE TRIGGER theirs AFTER INSERT ON memories BEGIN {body}; END")


def with_log(folder: Path) -> SqliteMemorySubject:
    """Return a file as this program makes it, with the links and atoms of the Rust program."""
    path = files.create(folder / "m.db", len(IDS))
    for sql in (ATOMS, LINKS):
        files.execute(path, sql)
    return SqliteMemorySubject(path)


def without_log(folder: Path) -> SqliteMemorySubject:
    """Return a file with a rollback journal, which readers and writers keep from each other."""
    subject = with_log(folder)
    files.execute(subject.path, "PRAGMA journal_mode = delete")
    return subject
