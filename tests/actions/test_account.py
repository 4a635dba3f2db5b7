"""The account of a run, of which a report is made: read once, and as the rows stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_memory.actions.account import give_account
from ai_memory.actions.lengths import Reading
from ai_memory.memory.row import MemoryRow
from ai_memory.reembed.inspect.account import Account
from ai_memory.reembed.plan.wanted import Wanted
from ai_memory.stores.opening import database
from ai_memory.stores.sqlite import walk
from ai_memory.stores.sqlite.base import Store
from tests.reembed.finish.test_rollback import rollback
from tests.reembed.work import Work
from tests.support import files


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(files.create(tmp_path / "m.db"))


def account(work: Work) -> Account:
    file = database(work.path)
    with file.read() as store:
        return give_account(file, store, Wanted(), lambda _: Reading(4, len), now_ms=work.clock.ms)


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The targets by which all rows of a file were read."""
    found: list[int | None] = []
    read = walk.all_rows

    def counted(store: Store, *, target: int | None, only: tuple[str, ...] | None) -> Iterator[MemoryRow]:
        found.append(target)
        return read(store, target=target, only=only)

    monkeypatch.setattr(walk, "all_rows", counted)
    return found


def test_the_rows_are_read_once_for_what_is_done_and_how_long_texts_are(work: Work, walks: list[int | None]) -> None:
    work.run(batch=5, max_rows=5)
    files.edit(work.path, "id-003", "a longer text")
    walks.clear()
    found = account(work)

    assert len(walks) == 1
    assert found.lengths
    assert (found.lengths.rows, found.lengths.truncated, found.lengths.exact) == (10, 10, True)
    assert found.lengths.tokens == sum(map(len, files.texts(work.path).values()))
    assert found.status.census


def test_the_texts_are_measured_also_of_a_rollback_whose_rows_are_not_counted(work: Work) -> None:
    work.run()
    rollback(work)
    found = account(work)

    assert found.status.census is None
    assert found.lengths
    assert found.lengths.rows == 10


@pytest.mark.parametrize("undone", [False, True])
def test_no_text_is_measured_twice_where_the_rows_are_read_anew_beside_a_writer(
    work: Work, monkeypatch: pytest.MonkeyPatch, undone: bool
) -> None:
    work.run()
    if undone:
        rollback(work)
    files.execute(work.path, "PRAGMA journal_mode = delete")
    read, texts = walk.all_rows, ["changed while it is read"]

    def written(store: Store, *, target: int | None, only: tuple[str, ...] | None) -> Iterator[MemoryRow]:
        yield from read(store, target=target, only=only)
        if texts:
            files.edit(work.path, "id-003", texts.pop())

    monkeypatch.setattr(walk, "all_rows", written)
    found = account(work)

    assert (texts, found.lengths and found.lengths.rows) == ([], 10)
