"""The hot rows of real files: whatever stands in `access_count`, `last_accessed_at` and `priority`, nothing breaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ai_memory.stores.sqlite import hot_list
from ai_memory.stores.sqlite.consistent import CHUNK_ROWS
from ai_memory.stores.sqlite.database import reading
from ai_memory.stores.sqlite.reads import MOST_READS
from tests.support import files, shapes

NOW_MS = 1_800_000_000_000
TODAY, YESTERDAY, LONG_AGO = "2027-01-15T07:00:00+00:00", "2027-01-14T07:00:00Z", "2019-01-01T00:00:00+00:00"

MANY = 2 * CHUNK_ROWS + 101
"""Rows that are read in several chunks; no multiple of 7."""
INSERT = """
    INSERT INTO memories (id, tier, title, content, created_at, updated_at, access_count, last_accessed_at)
    VALUES (?, 'mid', ?, '', '', '', ?, ?)
"""

Noted = str | bytes | int | float | None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return files.create(tmp_path / "m.db", 0)


def note(
    path: Path, row_id: str, reads: Noted, at: Noted = TODAY, *, namespace: str = "a", **columns: str | int
) -> None:
    """Store a memory with what is noted of its reads, which our own tables take as it is."""
    files.add(path, row_id, namespace, **columns)
    files.execute(path, "UPDATE memories SET access_count = ?, last_accessed_at = ? WHERE id = ?", reads, at, row_id)


def hottest(path: Path, *, only: Sequence[str] | None = None, limit: int = 100) -> list[str]:
    with reading(path) as store:
        return store.consistently(lambda _: hot_list.hottest(store, target=1, only=only, limit=limit, now_ms=NOW_MS))


def test_how_often_counts_more_than_how_lately_and_fades_by_the_root_of_the_days(path: Path) -> None:
    note(path, "often, long ago", 100, "2026-12-17T08:00:00Z")
    note(path, "now and then, today", 20)
    note(path, "seldom, today", 5)
    note(path, "very often, long ago", 1_000, LONG_AGO)

    # Reads per root of the days and one: 20, 18.5, 18.3, 5.
    assert hottest(path) == ["now and then, today", "very often, long ago", "often, long ago", "seldom, today"]


def test_of_two_that_are_as_hot_the_one_of_higher_priority_comes_first(path: Path) -> None:
    for row_id, priority in (("c", 5), ("a", 5), ("b", 9)):
        note(path, row_id, 3, priority=priority)

    assert hottest(path) == ["b", "a", "c"]


@pytest.mark.parametrize("reads", ["many", b"\x09", -5, 0, -(2**63), "", float("-inf")])
def test_what_is_no_number_of_reads_is_none(path: Path, reads: Noted) -> None:
    note(path, "odd", reads)
    note(path, "plain", 1)

    assert hottest(path) == ["plain"]


@pytest.mark.parametrize("reads", [2**63 - 1, 1e300, float("inf"), MOST_READS + 1])
def test_no_number_of_reads_wins_that_the_rust_program_would_not_count(path: Path, reads: Noted) -> None:
    note(path, "a", reads, LONG_AGO)
    note(path, "b", MOST_READS, YESTERDAY)

    assert hottest(path) == ["b", "a"]


@pytest.mark.parametrize(
    "at", [None, "", "yesterday", "now", "9999-12-31T00:00:00Z", "2461056.5", 2_461_056.5, 1_800_000_000, b"\xff", "0"]
)
def test_what_is_no_time_of_the_past_is_older_than_every_other(path: Path, at: Noted) -> None:
    note(path, "odd", 3, at)
    note(path, "long ago", 3, LONG_AGO)

    assert hottest(path) == ["long ago", "odd"]


def test_a_clock_that_is_a_little_ahead_is_believed(path: Path) -> None:
    note(path, "ahead", 3, "2027-01-15T20:00:00Z")
    note(path, "yesterday", 3, YESTERDAY)

    assert hottest(path) == ["ahead", "yesterday"]


def test_only_live_rows_with_an_id_are_hot_and_none_of_the_programs_own(path: Path) -> None:
    note(path, "plain", 1)
    note(path, "expired", 9, expires_at="2020-01-01T00:00:00Z")
    note(path, "tombstoned", 9, lifecycle_state="tombstoned")
    for namespace in ("_messages", "_messages/agent", "_agents", "_inbox/a/b"):
        note(path, namespace, 9, namespace=namespace)
    note(path, "not its own", 1, namespace="_messagesque", priority=1)

    assert hottest(path) == ["plain", "not its own"]
    assert hottest(path, only=("_messages", "nobody's")) == ["_messages"]


@pytest.mark.parametrize("limit", [1, 3, MANY])
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_with_and_without_a_log_the_hottest_are_the_same(path: Path, journal: str, limit: int) -> None:
    with files.opened(path) as connection, connection:
        for number in range(MANY):
            row = (f"{number:04}", f"title {number}", number * 7 % MANY, TODAY)
            connection.execute(INSERT, row)
    files.execute(path, f"PRAGMA journal_mode = {journal}")

    hot = sorted(range(1, MANY), key=lambda number: -(number * 7 % MANY))
    assert hottest(path, limit=limit) == [f"{number:04}" for number in hot[:limit]]


@pytest.mark.parametrize("version", shapes.VERSIONS)
def test_the_files_of_every_release_have_their_hot_rows(tmp_path: Path, version: int) -> None:
    shape = shapes.build(tmp_path / "m.db", version, rows=4, kinds=shapes.EMBEDDABLE)
    [(row_id,)] = files.execute(shape.path, "SELECT id FROM memories ORDER BY id LIMIT 1")
    files.note_reads(shape.path, row_id, 3)

    assert hottest(shape.path) == [row_id]


def test_a_file_without_a_note_of_reads_has_no_hot_rows(path: Path) -> None:
    note(path, "a", 3)
    files.execute(path, "ALTER TABLE memories DROP COLUMN access_count")

    assert hottest(path) == []


def test_a_file_that_does_not_note_when_rows_are_read_goes_by_their_number(path: Path) -> None:
    note(path, "seldom", 3, TODAY)
    note(path, "often", 30, LONG_AGO)
    files.execute(path, "ALTER TABLE memories DROP COLUMN last_accessed_at")

    assert hottest(path) == ["often", "seldom"]
