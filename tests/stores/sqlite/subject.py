"""An SQLite file under the conformance suite, with and without a write-ahead log."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database
from ai_memory.stores.port import Database
from ai_memory.stores.sqlite.consistent import CHUNK_ROWS
from tests.conftest import ROOT
from tests.crash.vfs import Change, watched
from tests.stores.conformance import IDS
from tests.support import files

MANY = 2 * CHUNK_ROWS
HEAD = 17
"""Bytes of a vector that its record knows: a mark and four floats."""
HOLDING = """
import sys, time
from pathlib import Path
from ai_memory.stores.holder import Holder
from ai_memory.stores.opening import database
with database(Path(sys.argv[1])).hold(Holder(1, "there", 8)) as obtained:
    print(obtained, flush=True)
    time.sleep(60)
"""


@dataclass(slots=True)
class FailingWrite:
    """Makes every write into one of the files fail once it is armed, until that file is opened anew."""

    file: str
    armed: bool = False

    def before(self, call: str, file: str) -> None:
        if (call, file) == ("xOpen", self.file):
            self.armed = False
        if self.armed and (call, file) == ("xWrite", self.file):
            raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)

    def changed(self, change: Change) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class SqliteSubject:
    """The file at `path`; see `tests.stores.conformance.Subject`."""

    path: Path

    @property
    def database(self) -> Database:
        return database(self.path)

    @property
    def width(self) -> int | None:
        return None

    def absent(self) -> Database:
        return database(self.path.with_name("none.db"))

    def grow(self) -> None:
        with files.opened(self.path) as connection, connection:
            connection.execute("CREATE TEMP TABLE number AS SELECT value FROM json_each(?)", (str([*range(MANY)]),))
            connection.execute(
                "INSERT INTO memories (id, tier, namespace, title, content, created_at, updated_at)"
                " SELECT 'more-' || value, 'mid', 'c', 'title ' || value, ?, ?, ? FROM number",
                ("two thousand characters " * 84, files.STAMP, files.STAMP),
            )

    def edit(self, row_id: str, content: str) -> None:
        files.edit(self.path, row_id, content)

    def encrypt(self, row_id: str, envelope: bytes) -> None:
        files.execute(
            self.path, "UPDATE memories SET content = '', encrypted_envelope = ? WHERE id = ?", envelope, row_id
        )

    def note_reads(self, row_id: str, reads: int, at: str) -> None:
        files.note_reads(self.path, row_id, reads, at)

    def edit_all(self, content: str) -> bool:
        return files.edit_all(self.path, content)

    def remove(self, row_id: str) -> None:
        files.execute(self.path, "DELETE FROM memories WHERE id = ?", row_id)

    def break_vector(self, row_id: str) -> None:
        blob = files.vectors(self.path)[row_id] or b""
        # It begins as the one that is recorded.
        broken = blob[:HEAD] + b"\0\0\xc0\x7f" * ((len(blob) - HEAD) // 4)
        files.execute(self.path, "UPDATE memories SET embedding = ? WHERE id = ?", broken, row_id)

    def refuse(self, row_id: str, words: str) -> None:
        refusing = f"WHEN old.id = '{row_id}' BEGIN SELECT RAISE(ABORT, '{words}'); END"
        files.execute(self.path, f"CREATE TRIGGER refusing BEFORE UPDATE OF embedding ON memories {refusing}")

    def damage(self) -> None:
        self.path.write_bytes(b"no database")

    @contextmanager
    def held_elsewhere(self) -> Iterator[Callable[[], None]]:
        command = [sys.executable, "-c", HOLDING, str(self.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "True\n"

            def kill() -> None:
                process.kill()
                process.wait()

            try:
                yield kill
            finally:
                kill()

    @contextmanager
    def doubtful(self, *, stored: bool) -> Iterator[tuple[Database, Callable[[], None]]]:
        # What fails behind a commit is the checkpoint, before it the log: both need a log.
        files.execute(self.path, "PRAGMA journal_mode = wal")
        failing = FailingWrite("" if stored else "-wal")
        name = f"doubtful-{id(failing)}"
        with watched(name, str(self.path), failing) as vfs, files.opened(self.path) as reader:
            if stored:
                self._lengthen_log(reader)

            def fail() -> None:
                if reader.in_transaction:
                    reader.execute("ROLLBACK")
                failing.armed = True

            yield database(self.path, OpenOptions(vfs=vfs)), fail

    def opened_copy(self, copy: Path) -> Database:
        return database(copy)

    def _lengthen_log(self, reader: apsw.Connection) -> None:
        """Make the log so long that every commit tries a checkpoint, and let none succeed while `reader` reads."""
        reader.execute("BEGIN; SELECT count(*) FROM memories")
        files.lengthen_log(self.path, "id-005")


def with_log(folder: Path) -> SqliteSubject:
    """Return a file as this program makes it."""
    return SqliteSubject(files.create(folder / "m.db", len(IDS)))


def without_log(folder: Path) -> SqliteSubject:
    """Return a file with a rollback journal, which readers and writers keep from each other."""
    subject = with_log(folder)
    files.execute(subject.path, "PRAGMA journal_mode = delete")
    return subject
