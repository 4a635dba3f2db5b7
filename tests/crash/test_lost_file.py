"""The database is moved away, replaced or held by another writer while texts are being embedded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from ai_memory.stores.open_options import OpenOptions
from ai_memory.vectors.witness import WITNESS_TEXTS
from tests.crash.editor import read_rows
from tests.crash.images import Image, read_image, write_image
from tests.crash.promises import looking, require_done
from tests.crash.sweeping import build_own, sweep
from tests.support.fakes import HashEmbedder

ROWS = 12


@dataclass(slots=True)
class InCall:
    """Does something once, while the texts of a request are embedded."""

    call: int
    action: Callable[[], object]
    calls: int = 0

    def __call__(self, texts: Sequence[str]) -> None:
        self.calls += texts[0] not in WITNESS_TEXTS
        if self.calls == self.call and texts[0] not in WITNESS_TEXTS:
            self.action()


@pytest.fixture
def database(fast_folder: Path) -> Path:
    """A database with every row stale."""
    build_own(fast_folder / "m.db", ROWS)
    return fast_folder / "m.db"


def move_away(database: Path) -> Path:
    """Move the files of a database to a folder beside it and return where the database is now."""
    aside = database.parent / "aside"
    aside.mkdir()
    for file in database.parent.glob(f"{database.name}*"):
        if not file.name.endswith(".lock"):
            file.rename(aside / file.name)
    return aside / database.name


def require_resumed(database: Path) -> None:
    with looking(database) as connection:
        rows = read_rows(connection)
    assert sweep(database, HashEmbedder()).exit_code == 0
    with looking(database) as connection:
        require_done(connection, rows)


def test_a_database_that_vanishes_ends_the_run_and_is_resumed_when_it_is_back(database: Path) -> None:
    report = sweep(database, HashEmbedder(before=InCall(2, lambda: move_away(database))))

    assert (report.exit_code, report.reason) == (74, "storage")
    assert "removed or replaced" in report.error
    assert not database.exists()
    write_image(read_image(database.parent / "aside" / database.name), database)
    require_resumed(database)


def test_a_database_put_in_the_place_of_ours_is_left_alone_with_its_log(database: Path, tmp_path: Path) -> None:
    other = image_with_log(tmp_path / "other.db")

    def replace() -> None:
        move_away(database)
        write_image(other, database)

    report = sweep(database, HashEmbedder(before=InCall(2, replace)))

    assert report.exit_code == 74
    assert other["-wal"]
    assert read_image(database) == other


def image_with_log(path: Path) -> Image:
    """Return a database whose last commits are in its log only."""
    build_own(path, ROWS)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("UPDATE memories SET content = content || '!'")
        return read_image(path)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_writer_that_keeps_the_file_locked_ends_the_run_and_a_resume_completes(database: Path, call: int) -> None:
    with closing(apsw.Connection(str(database))) as writer:
        held = InCall(call, lambda: writer.execute("BEGIN IMMEDIATE"))
        report = sweep(database, HashEmbedder(before=held), options=OpenOptions(busy_timeout_ms=20))

        assert (report.exit_code, report.reason) == (75, "not finished")
        assert "locked by another program" in report.error
        writer.execute("ROLLBACK")
    require_resumed(database)
