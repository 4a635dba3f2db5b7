"""A copy of a database: one state of it whatever its writers do, all of it or no file, for nobody new to read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from ai_memory.errors import NotFinished, StorageFailed, UsageError
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite import backup
from ai_memory.stores.sqlite.backup import copy_to
from ai_memory.stores.sqlite.connection import Connection, open_database
from ai_memory.stores.sqlite.consistent import ATTEMPTS
from tests.support import files

FILL = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
    INSERT INTO log SELECT 0, randomblob(3000) FROM n
"""
COUNT_UP = "UPDATE log SET number = number + 1"
NUMBERS = "SELECT DISTINCT number FROM log"


def silent(_done: int, _total: int) -> None:
    """Do nothing at a step."""


@pytest.fixture(autouse=True)
def many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "STEP_PAGES", 20)


@pytest.fixture(params=["wal", "delete"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A database of 600 pages and more, of which each commit of a writer changes all."""
    path = files.create(tmp_path / "m.db")
    files.execute(path, "CREATE TABLE log (number, filling)")
    files.execute(path, FILL)
    files.execute(path, f"PRAGMA journal_mode = {request.param}")
    return path


@dataclass(slots=True)
class Writer:
    """Another connection that commits at each step of a copy, and counts how often it was kept waiting."""

    path: Path
    every: int = 1
    steps: int = 0
    commits: int = 0
    refused: int = 0
    totals: set[int] = field(default_factory=set)

    def step(self, _done: int, total: int) -> None:
        self.steps += 1
        self.totals.add(total)
        if self.steps % self.every == 0:
            connection = apsw.Connection(str(self.path))
            try:
                connection.execute(COUNT_UP)
                self.commits += 1
            except apsw.BusyError:
                self.refused += 1
            connection.close()


@pytest.fixture
def told() -> list[str]:
    """What the user heard."""
    return []


@pytest.fixture
def db(path: Path, told: list[str]) -> Iterator[Connection]:
    db = open_database(path, read_only=True, options=OpenOptions(busy_timeout_ms=500, tell=told.append))
    yield db
    db.close()


def test_a_copy_beside_a_writer_ends_and_is_of_one_state(db: Connection, tmp_path: Path, told: list[str]) -> None:
    writer, copy = Writer(db.path), tmp_path / "copy.db"

    size = copy_to(db, copy, told=writer.step)

    assert (size, copy.stat().st_nlink) == (copy.stat().st_size, 1)
    assert len(files.execute(copy, NUMBERS)) == 1
    assert files.integrity(copy) == "ok"
    assert files.execute(copy, "PRAGMA journal_mode") == [("delete",)]
    if db.value("PRAGMA journal_mode") == "wal":
        assert (writer.refused, files.execute(copy, NUMBERS), told) == (0, [(0,)], [])
    else:
        assert (writer.commits, files.execute(copy, NUMBERS)) == (ATTEMPTS, [(ATTEMPTS,)])
        assert writer.refused > 0
        assert ["writers wait" in each for each in told] == [True]


def test_a_writer_that_commits_once_waits_for_no_copy(db: Connection, tmp_path: Path, told: list[str]) -> None:
    writer = Writer(db.path)

    def once(done: int, total: int) -> None:
        if not writer.commits:
            writer.step(done, total)

    copy_to(db, tmp_path / "copy.db", told=once)

    assert (writer.commits, writer.refused, told) == (1, 0, [])
    assert len(files.execute(tmp_path / "copy.db", NUMBERS)) == 1


@pytest.mark.parametrize("path", ["delete"], indirect=True)
def test_a_lock_in_the_way_of_a_copy_is_the_databases(db: Connection, tmp_path: Path) -> None:
    writer = apsw.Connection(str(db.path))
    writer.execute("BEGIN EXCLUSIVE")

    with pytest.raises(NotFinished, match=r"m\.db is locked"):
        copy_to(db, tmp_path / "copy.db", told=silent)

    writer.close()
    assert not list(tmp_path.glob("copy*"))


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_nobody_reads_a_copy_who_may_not_read_the_database(db: Connection, tmp_path: Path, mode: int) -> None:
    db.path.chmod(mode)
    seen: set[int] = set()

    def look(_done: int, _total: int) -> None:
        seen.update(stat.S_IMODE(each.stat().st_mode) for each in tmp_path.glob("copy*"))

    copy_to(db, tmp_path / "copy.db", told=look)

    assert seen == {mode}
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == mode


def occupied_by_a_file(target: Path) -> None:
    target.write_text("something dear")


def occupied_by_a_link(target: Path) -> None:
    target.symlink_to("nowhere")


def with_a_log_of_another(target: Path) -> None:
    target.with_name("copy.db-wal").write_text("something dear")


def with_an_unfinished_copy(target: Path) -> None:
    target.with_name("copy.db.unfinished").write_text("something dear")


def with_a_log_of_an_unfinished_copy(target: Path) -> None:
    target.with_name("copy.db.unfinished-journal").write_text("something dear")


OCCUPIED = [
    occupied_by_a_file,
    occupied_by_a_link,
    with_a_log_of_another,
    with_an_unfinished_copy,
    with_a_log_of_an_unfinished_copy,
]


@pytest.mark.parametrize("occupy", OCCUPIED)
def test_a_copy_touches_nothing_that_was_there(db: Connection, tmp_path: Path, occupy: Callable[[Path], None]) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    occupy(folder / "copy.db")
    before = {each.name: str(each.readlink()) if each.is_symlink() else each.read_text() for each in folder.iterdir()}

    with pytest.raises(UsageError, match=next(iter(before))):
        copy_to(db, folder / "copy.db", told=silent)

    after = {each.name: str(each.readlink()) if each.is_symlink() else each.read_text() for each in folder.iterdir()}
    assert after == before


@pytest.mark.parametrize("occupy", [occupied_by_a_file, occupied_by_a_link])
def test_a_name_taken_during_the_copy_stays_as_it_is(
    db: Connection, tmp_path: Path, occupy: Callable[[Path], None]
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()

    def take(_done: int, _total: int) -> None:
        with suppress(FileExistsError):
            if not os.path.lexists(folder / "copy.db"):
                occupy(folder / "copy.db")

    with pytest.raises(UsageError, match="exists already"):
        copy_to(db, folder / "copy.db", told=take)

    assert [each.name for each in folder.iterdir()] == ["copy.db"]
    assert (folder / "copy.db").is_symlink() or (folder / "copy.db").read_text() == "something dear"


def test_a_copy_that_is_ended_leaves_nothing(db: Connection, tmp_path: Path) -> None:
    class Ended(Exception):
        pass

    def end(done: int, total: int) -> None:
        if done > total / 2:
            raise Ended

    with pytest.raises(Ended):
        copy_to(db, tmp_path / "copy.db", told=end)

    assert not list(tmp_path.glob("copy*"))


def test_a_file_put_in_place_of_the_unfinished_copy_is_noticed(db: Connection, tmp_path: Path) -> None:
    unfinished = tmp_path / "copy.db.unfinished"

    def swap(_done: int, _total: int) -> None:
        if unfinished.exists() and not unfinished.with_name("kept").exists():
            unfinished.rename(unfinished.with_name("kept"))
            unfinished.write_bytes(b"")

    with pytest.raises(StorageFailed, match=r"copy\.db\.unfinished"):
        copy_to(db, tmp_path / "copy.db", told=swap)

    assert unfinished.exists()
    assert not (tmp_path / "copy.db").exists()


def test_a_copy_into_no_folder_is_refused(db: Connection, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        copy_to(db, tmp_path / "none" / "copy.db", told=silent)
