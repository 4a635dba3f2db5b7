"""A database on a disk that is full to the last block, or has no room for one more file: read, and told as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ai_memory.stores.sqlite import disk
from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint
from tests.support.small_disk import small_disk

OPTIONS = {"no block": "size=1m", "no file": "size=4m,nr_inodes=4"}
READING = [["stats"], ["list", "-n", "a"], ["export"], ["recall", "content"], ["reembed", "status"], ["doctor"]]
WRITING = [["store", "-T", "a", "-c", "b", "--no-embed"], ["delete", "id-001"], ["reembed", "--yes"]]


@pytest.fixture(params=sorted(OPTIONS))
def small(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    with small_disk(tmp_path / "small", OPTIONS[request.param]) as folder:
        yield folder


@pytest.fixture
def command(small: Path, endpoint: FakeEndpoint) -> Command:
    command = Command(files.create(small / "m.db"), remote(endpoint))
    files.execute(command.db, "PRAGMA wal_checkpoint(TRUNCATE)")
    return command


def fill(folder: Path) -> None:
    """Take the last file the file system can name, then its last block."""
    with suppress(OSError):
        for number in range(4):
            (folder / f"file-{number}").touch()
        with (folder / "file-0").open("wb", buffering=0) as filler:
            while filler.write(bytes(1024)):
                pass


def test_what_only_reads_goes_on(command: Command, small: Path) -> None:
    fill(small)

    for words in READING:
        ran = command.run(*words)
        assert (ran.code, "disk" in ran.err) == (1 if words == ["doctor"] else 0, False), ran


def test_what_writes_says_that_the_disk_is_full_and_changes_nothing(
    command: Command, small: Path, tmp_path: Path, endpoint: FakeEndpoint
) -> None:
    copy = files.create(tmp_path / "before.db")
    before = command.db.read_bytes()
    fill(small)

    for words in (*WRITING, ["restore", str(copy), "--yes"]):
        refused = command.run(*words)
        assert (refused.code, "the disk is full. Free some space" in refused.error) == (74, True)
        assert "Check the disk" not in refused.error
    assert (command.db.read_bytes(), endpoint.seen.requests) == (before, 0)
    for each in small.glob("file-*"):
        each.unlink()
    assert command.run("store", "-T", "a", "-c", "b", "--no-embed").code == 0


def test_a_log_that_nobody_wrote_back_is_not_passed_over(command: Command, small: Path) -> None:
    with files.opened(command.db) as writer:
        writer.execute("UPDATE memories SET content = 'late' WHERE id = 'id-001'")
        log = command.db.with_name("m.db-wal").read_bytes()
        main = command.db.read_bytes()
    command.db.write_bytes(main)
    command.db.with_name("m.db-wal").write_bytes(log)
    fill(small)

    refused = command.run("get", "id-001")

    assert (refused.code, "the disk is full" in refused.error) == (74, True)


def test_a_disk_with_room_is_not_full(tmp_path: Path) -> None:
    for code in (disk.SHM_SIZE, disk.SHM_MAP, disk.WRITE, disk.CANNOT_OPEN, 266):
        assert not disk.is_full(tmp_path / "m.db", code)


def test_no_database_is_made_on_a_disk_that_is_read_only(tmp_path: Path, endpoint: FakeEndpoint) -> None:
    with small_disk(tmp_path / "read-only", "size=1m,ro") as folder:
        refused = Command(folder / "m.db", remote(endpoint)).run("init")

        assert (refused.code, "Make its folder first, or one that you may write." in refused.error) == (65, True)
