"""One connection: pragmas, transactions, and SQLite's errors as ours."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from ai_memory.errors import DataRefused, NotFinished, StatementRefused, StorageFailed
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.sqlite.connection import Connection, open_database
from ai_memory.stores.sqlite.file import log_bytes
from ai_memory.stores.sqlite.handle import LOG_BYTES
from ai_memory.stores.sqlite.store import Store
from ai_memory.stores.sqlite.transactions import rehearsal, snapshot, transaction
from ai_memory.stores.sqlite.waiting import GRACE_S
from tests.support import files

HASTY = OpenOptions(busy_timeout_ms=50)
COUNT = "SELECT count(*) FROM memories"
DELETE = "DELETE FROM memories"


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 3), ("foreign_keys", 1), ("recursive_triggers", 0)]
)
def test_a_connection_to_write_has_our_pragmas(store: Store, pragma: str, value: object) -> None:
    assert store.db.value(f"PRAGMA {pragma}") == value


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_the_log_grows_to_so_many_bytes_whatever_a_page_has(tmp_path: Path, page_size: int) -> None:
    path, row, peak = tmp_path / "m.db", b"x" * 100_000, 0
    files.execute(path, f"PRAGMA page_size = {page_size}; PRAGMA journal_mode = wal; CREATE TABLE t (x)")
    db = open_database(path)

    for _ in range(400):
        db.execute("INSERT INTO t VALUES (?)", (row,))
        peak = max(peak, log_bytes(path))
    db.close()

    assert LOG_BYTES / 2 < peak < LOG_BYTES * 1.1


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="no database"):
        open_database(tmp_path / "none.db")

    assert not (tmp_path / "none.db").exists()


def test_a_read_only_connection_cannot_write(path: Path) -> None:
    db = open_database(path, read_only=True)

    with pytest.raises(StorageFailed, match="can no longer be written"):
        db.execute(DELETE)
    db.close()


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    def fail_in_a_transaction() -> None:
        with store.transaction() as transaction:
            transaction.db.execute(DELETE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_a_transaction()

    assert store.db.value(COUNT) == 10


def test_a_transaction_is_write_locked_from_its_first_moment(store: Store, path: Path) -> None:
    other = open_database(path, options=HASTY)

    with store.transaction(), pytest.raises(NotFinished, match="locked by another program"), transaction(other):
        raise AssertionError
    other.close()


def test_a_transaction_reads_what_it_wrote_before_anybody_else_does(store: Store, path: Path) -> None:
    with store.transaction() as transaction:
        transaction.db.execute(DELETE)

        assert transaction.db.value(COUNT) == 0
        assert files.execute(path, COUNT) == [(10,)]

    assert files.execute(path, COUNT) == [(0,)]


def test_a_transaction_inside_another_is_refused_and_ends_nothing(store: Store, path: Path) -> None:
    with store.transaction() as transaction:
        transaction.db.execute(DELETE)

        with pytest.raises(StatementRefused, match="within a transaction"), store.transaction():
            raise AssertionError

    assert files.execute(path, COUNT) == [(0,)]


def test_a_rehearsal_leaves_nothing(store: Store, path: Path) -> None:
    with rehearsal(store.db):
        store.db.execute(DELETE)

        assert store.db.value(COUNT) == 0

    assert files.execute(path, COUNT) == [(10,)]


def test_a_snapshot_sees_one_state_and_holds_no_writer_up(store: Store, path: Path) -> None:
    other = open_database(path, options=HASTY)

    with snapshot(store.db):
        before = store.db.value(COUNT)
        other.execute(DELETE)
        assert store.db.value(COUNT) == before == 10
    assert store.db.value(COUNT) == 0
    other.close()


def test_change_counts_only_the_rows_of_the_statement_itself(store: Store) -> None:
    assert store.db.change("UPDATE memories SET content = 'new' WHERE id < 'id-003'") == 3
    assert store.db.change("UPDATE memories SET content = 'new' WHERE id = 'nobody'") == 0


def test_too_few_bindings_are_a_bug_and_stay_one(store: Store) -> None:
    with pytest.raises(apsw.BindingsError):
        store.db.execute("SELECT ?, ?", (1,))


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("CREATE TRIGGER t BEFORE DELETE ON memories BEGIN SELECT RAISE(ABORT, 'legal hold'); END", "legal hold"),
        ("CREATE TRIGGER t BEFORE DELETE ON memories BEGIN SELECT RAISE(ABORT, 'a\nb\x1b[2J'); END", r"a b\x1b[2J"),
        ("CREATE TRIGGER t AFTER DELETE ON memories BEGIN SELECT app(old.id); END", "no such function: app"),
        ("CREATE TABLE notes (m REFERENCES memories (id)); INSERT INTO notes VALUES ('id-000')", "FOREIGN KEY"),
        ("CREATE TRIGGER t AFTER DELETE ON memories BEGIN SELECT json_extract('{', '$.a'); END", "malformed JSON"),
        ("CREATE TRIGGER t AFTER DELETE ON memories BEGIN SELECT length(zeroblob(2e9)); END", "too big"),
        ("CREATE TRIGGER t AFTER DELETE ON memories BEGIN SELECT x FROM nowhere; END", "no such table"),
    ],
)
def test_what_the_schema_of_a_file_forbids_is_refused_in_sqlites_words(store: Store, odd: str, words: str) -> None:
    store.db.execute(odd)

    with pytest.raises(StatementRefused) as refusal:
        store.db.execute(DELETE)

    assert words in refusal.value.words
    assert str(store.db.path) in refusal.value.line()


def test_sqlites_words_are_cut_to_what_people_read(store: Store) -> None:
    with pytest.raises(StatementRefused) as refusal:
        store.db.execute(f"SELECT {'n' * 10_000} FROM memories")

    assert len(refusal.value.words) < 300


def test_a_file_that_was_replaced_is_noticed(store: Store, path: Path, tmp_path: Path) -> None:
    files.create(tmp_path / "other.db").rename(path)

    with pytest.raises(StorageFailed, match="removed or replaced"):
        store.db.handle.require_same_file()
    with pytest.raises(StorageFailed, match="removed or replaced"):
        store.db.handle.reopen()


def test_a_connection_can_be_left_in_a_transaction_and_reopened(store: Store) -> None:
    store.db.execute("BEGIN IMMEDIATE")
    store.db.execute(DELETE)

    store.db.handle.reopen()

    assert store.db.value(COUNT) == 10


def test_statements_are_closed_when_they_return(store: Store, path: Path) -> None:
    store.db.execute("SELECT id FROM memories")
    store.db.value("SELECT id FROM memories")
    other: Connection = open_database(path, options=HASTY)
    other.execute(DELETE)

    assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)") == [(0, 0, 0)]
    other.close()


NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many}) SELECT i FROM n"


def test_a_statement_that_takes_long_heeds_a_stop_also_where_others_run_inside_it(path: Path) -> None:
    heard: list[float] = []
    began = time.monotonic()
    db = open_database(path, options=OpenOptions(heed=lambda: heard.append(time.monotonic() - began)))
    with closing(db):
        for _ in db.stream(NUMBERS.format(many=10**9)):
            db.value("SELECT 1")
            if heard or time.monotonic() - began > 30:
                break

    assert heard


def test_a_statement_inside_one_that_takes_long_has_its_own_time(path: Path) -> None:
    heard: list[str] = []
    db = open_database(path, options=OpenOptions(heed=lambda: heard.append("heard")))
    with closing(db):
        rows = db.stream(NUMBERS.format(many=10))
        next(rows)
        time.sleep(2 * GRACE_S)
        db.execute(NUMBERS.format(many=5_000))
        inside = list(heard)

    assert inside == []
