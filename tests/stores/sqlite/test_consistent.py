"""A long reading is of one state of the file, and no writer waits for it where that can be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from ai_memory.reembed.plan.census import Listener, count_rows, take_census
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite import walk
from ai_memory.stores.sqlite.consistent import ATTEMPTS, CHUNK_ROWS, consistently
from ai_memory.stores.sqlite.database import reading
from ai_memory.stores.sqlite.search import Search
from ai_memory.stores.sqlite.store import Store
from tests.support import files

ROWS = 2 * CHUNK_ROWS + 7
MOVE_ALL = "UPDATE memories SET namespace = namespace || 'x'"
MOVED_ROWS = "SELECT DISTINCT namespace FROM memories"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = files.create(tmp_path_factory.mktemp("made") / "m.db", 0)
    files.execute(
        path,
        "WITH RECURSIVE n(i) AS (SELECT -3 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO memories (rowid, id, tier, namespace, title, content, created_at, updated_at)"
        " SELECT i * 3, 'id-' || i, 'mid', 'a', 'title ' || i, 'content', ?, ? FROM n",
        ROWS - 4,
        files.STAMP,
        files.STAMP,
    )
    return path


@pytest.fixture
def told() -> list[str]:
    """What the user heard."""
    return []


def opened(made: Path, tmp_path: Path, mode: str, told: list[str]) -> Iterator[Store]:
    path = tmp_path / "m.db"
    path.write_bytes(made.read_bytes())
    files.execute(path, f"PRAGMA journal_mode = {mode}")
    with reading(path, options=OpenOptions(busy_timeout_ms=50, tell=told.append)) as store:
        yield store


@pytest.fixture
def store(made: Path, tmp_path: Path, told: list[str]) -> Iterator[Store]:
    """A file without a write-ahead log, of three chunks of rows."""
    yield from opened(made, tmp_path, "delete", told)


@pytest.fixture
def logged(made: Path, tmp_path: Path, told: list[str]) -> Iterator[Store]:
    """The same file with a write-ahead log."""
    yield from opened(made, tmp_path, "wal", told)


@dataclass(slots=True)
class Writer:
    """Another connection; `commit` moves every memory to another namespace, if it need not wait."""

    path: Path
    most: int = 10**6
    commits: int = 0
    refused: int = 0

    def commit(self) -> None:
        if self.commits >= self.most:
            return
        connection = apsw.Connection(str(self.path))
        try:
            connection.execute(MOVE_ALL)
            self.commits += 1
        except apsw.BusyError:
            self.refused += 1
        connection.close()


def namespaces_of_rows(store: Store, at_row: Callable[[int], None]) -> list[str]:
    """Return the namespace of each row as a long reading finds it; `at_row` is called at each."""
    found = []
    for number, row in enumerate(walk.all_rows(store, target=None, only=None)):
        at_row(number)
        found.append(row.namespace)
    return found


def test_a_file_that_nobody_writes_is_read_once_and_whole(store: Store, told: list[str]) -> None:
    calls: list[int] = []

    found = consistently(store.db, lambda: namespaces_of_rows(store, calls.append))

    assert (found, calls, told) == (["a"] * ROWS, list(range(ROWS)), [])


@pytest.mark.parametrize("row", [0, CHUNK_ROWS, ROWS - 1])
def test_a_writer_need_not_wait_and_the_rows_are_of_one_state(store: Store, told: list[str], row: int) -> None:
    writer = Writer(store.db.path, most=2)

    found = consistently(store.db, lambda: namespaces_of_rows(store, lambda at: writer.commit() if at == row else None))

    assert (writer.commits, writer.refused, told) == (2, 0, [])
    assert found == ["axx"] * ROWS


def test_beside_a_writer_that_never_rests_a_lock_is_held_at_last_and_told(store: Store, told: list[str]) -> None:
    writer = Writer(store.db.path)

    found = consistently(store.db, lambda: namespaces_of_rows(store, lambda at: None if at % 100 else writer.commit()))

    assert len(set(found)) == 1
    assert writer.refused == ROWS // 100 + 1
    assert [f"{store.db.path} changes all the time" in each for each in told] == [True]
    assert {name for (name,) in files.execute(store.db.path, MOVED_ROWS)} == set(found)


def test_with_a_write_ahead_log_no_reading_is_repeated(logged: Store, told: list[str]) -> None:
    writer, calls = Writer(logged.db.path), []

    def at_row(number: int) -> None:
        calls.append(number)
        if number % 100 == 0:
            writer.commit()

    assert consistently(logged.db, lambda: namespaces_of_rows(logged, at_row)) == ["a"] * ROWS
    assert (calls, writer.refused, told) == (list(range(ROWS)), 0, [])


def test_what_contradicts_itself_while_the_file_changes_is_read_again(store: Store) -> None:
    writer = Writer(store.db.path, most=1)

    def read() -> str:
        if not writer.commits:
            writer.commit()
            raise LookupError
        return "read"

    assert consistently(store.db, read) == "read"


def test_an_error_of_the_reading_itself_is_raised(store: Store) -> None:
    calls: list[int] = []

    def read() -> None:
        calls.append(1)
        raise LookupError

    with pytest.raises(LookupError):
        consistently(store.db, read)
    assert calls == [1]


def test_a_census_without_a_log_keeps_no_writer_waiting(store: Store, told: list[str]) -> None:
    writer, heard = Writer(store.db.path, most=ATTEMPTS - 1), []

    def visit(row: object) -> None:
        heard.append(row)
        if len(heard) % CHUNK_ROWS == 1:
            writer.commit()

    census = store.consistently(
        lambda found: count_rows(found, store.memories.traits, None, None, now_ms=0, listener=Listener(visit))
    )

    assert (writer.refused, told) == (0, [])
    assert census.stale_by_namespace == {"axx": ROWS}
    assert take_census(store, None, ("axx",), now_ms=0).stale == ROWS


@pytest.mark.parametrize("namespace", ["a", None])
def test_vectors_are_read_in_chunks_too(store: Store, namespace: str | None) -> None:
    files.execute(store.db.path, "UPDATE memories SET embedding = ?", b"\x01" + bytes(8))
    read = [number for page in Search(store).vectors(namespace) for group in page.groups for number in group.numbers]
    assert sorted(read) == [number * 3 for number in range(-3, ROWS - 3)]
