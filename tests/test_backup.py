"""`reembed --backup FILE` as a process: it ends beside any writer, obeys its user, and leaves a whole copy or none."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.support import files
from tests.support.command import Command, answer, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.small_disk import small_disk

FILL = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO log SELECT zeroblob(3000) FROM n
"""
WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
while True:
    connection.execute("UPDATE log SET x = x WHERE rowid = 1")
    time.sleep(0.005)
"""
LONG = 40_000
SHORT = 3_000


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db"), remote(endpoint))
    files.execute(command.db, "CREATE TABLE log (x)")
    yield command
    command.end()


def fill(path: Path, rows: int) -> None:
    files.execute(path, FILL, rows)
    files.execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.fixture
def writer(command: Command) -> Iterator[subprocess.Popen[bytes]]:
    """Another program that never stops committing."""
    fill(command.db, SHORT)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(command.db)]) as process:
        yield process
        process.kill()


def left_of(copy: Path) -> list[str]:
    return sorted(each.name for each in copy.parent.glob(f"{copy.name}*"))


def test_a_copy_ends_beside_a_writer_that_never_rests(
    command: Command, writer: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"

    ran = command.run("reembed", "--yes", "--backup", copy)

    assert (ran.code, writer.poll()) == (0, None)
    assert f"Copied to {copy} ({copy.stat().st_size / 1e6:.1f} MB)." in ran.err
    assert "A copy first" not in ran.err
    assert set(files.vectors(copy).values()) == {None}
    assert files.integrity(copy) == "ok"
    assert left_of(copy) == ["copy.db"]


def test_a_copy_is_quiet_where_that_was_asked(command: Command, tmp_path: Path) -> None:
    assert "Copied" not in command.run("-q", "reembed", "--yes", "--backup", tmp_path / "copy.db").err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_copy_and_leaves_nothing_of_it(
    command: Command, tmp_path: Path, endpoint: FakeEndpoint, number: int, code: int
) -> None:
    fill(command.db, LONG)
    copy = tmp_path / "copy.db"
    process = command.start("reembed", "--yes", "--backup", copy)
    wait_for(lambda: left_of(copy))

    stopped = kill(process, number)

    assert (stopped.code, left_of(copy)) == (code, [])
    assert "nothing was changed" in stopped.error
    assert endpoint.seen.requests == 0


@pytest.mark.parametrize("end", ["signal", "time"])
def test_a_copy_that_waits_for_a_lock_can_be_ended(command: Command, tmp_path: Path, end: str) -> None:
    files.execute(command.db, "PRAGMA journal_mode = DELETE")
    holder = apsw.Connection(str(command.db))
    holder.execute("BEGIN EXCLUSIVE")
    process = command.start("reembed", "--yes", "--backup", tmp_path / "copy.db", "--max-runtime", "3s")
    began = time.monotonic()
    if end == "signal":
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)

    ended = answer(process)

    assert ended.code == (143 if end == "signal" else 75)
    assert time.monotonic() - began < 20
    assert left_of(tmp_path / "copy.db") == []
    holder.close()


def test_after_a_kill_the_rest_of_a_copy_is_named_and_not_taken_away(command: Command, tmp_path: Path) -> None:
    fill(command.db, LONG)
    copy = tmp_path / "copy.db"
    process = command.start("reembed", "--yes", "--backup", copy)
    wait_for(lambda: left_of(copy))
    kill(process)
    assert left_of(copy)[0] == "copy.db.unfinished"

    again = command.run("reembed", "--yes", "--backup", copy)

    assert again.code == 64
    assert "copy.db.unfinished is in the way" in again.error
    for name in left_of(copy):
        (tmp_path / name).unlink()
    assert command.run("reembed", "--yes", "--backup", copy).code == 0


def test_a_full_disk_is_named_with_the_copy_and_nothing_is_left(command: Command, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "size=1m") as small:
        fill(command.db, SHORT)

        refused = command.run("reembed", "--yes", "--backup", small / "copy.db")

        assert (refused.code, left_of(small / "copy.db")) == (74, [])
        assert str(small / "copy.db") in refused.error
        assert "full" in refused.error
        files.execute(command.db, "DELETE FROM log")
        files.execute(command.db, "VACUUM")
        assert command.run("reembed", "--yes", "--backup", small / "copy.db").code == 0


def test_a_copy_to_a_disk_that_is_read_only_is_the_disks_fault(command: Command, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "size=1m,ro") as small:
        refused = command.run("reembed", "--yes", "--backup", small / "copy.db")

    assert (refused.code, "Read-only file system. Free some space, or name a file elsewhere." in refused.error) == (
        74,
        True,
    )


@pytest.mark.parametrize("name", ["none/copy.db", "file/copy.db", "n" * 250])
def test_a_copy_that_cannot_be_made_is_refused_in_one_line(command: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")

    refused = command.run("reembed", "--yes", "--backup", tmp_path / name)

    assert (refused.code, str(tmp_path / name.split("/", maxsplit=1)[0]) in refused.error) == (64, True)
