"""Files beside the database: no link is followed, nothing is waited for, and nothing that stood there is changed."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_memory.errors import DataRefused
from ai_memory.stores.holder import Holder
from ai_memory.stores.sqlite import side_file
from ai_memory.stores.sqlite.connection import open_database
from ai_memory.stores.sqlite.lock import lock_path, lock_state, read_holder, runner_lock
from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint

ME = Holder(os.getpid(), "here", 7)
Plant = Callable[[Path, Path], object]


def _socket(place: Path, _: Path) -> None:
    with socket.socket(socket.AF_UNIX) as planted:
        planted.bind(str(place))


PLANTED: dict[str, Plant] = {
    "is a link": lambda place, private: place.symlink_to(private),
    "has 2 names": lambda place, private: place.hardlink_to(private),
    "is a pipe": lambda place, _: os.mkfifo(place),
    "is a folder": lambda place, _: place.mkdir(),
    "is a socket": _socket,
}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "private"
    path.write_text("precious")
    path.chmod(0o600)
    return path


def hold(path: Path) -> None:
    with runner_lock(path, ME):
        pass


@pytest.mark.parametrize("ask", [hold, lock_state, read_holder])
@pytest.mark.parametrize("why", PLANTED)
def test_what_is_not_a_file_of_one_name_is_refused_and_left_as_it_was(
    path: Path, private: Path, why: str, ask: Callable[[Path], object]
) -> None:
    PLANTED[why](lock_path(path), private)
    before = private.stat().st_mode, private.read_text()

    with pytest.raises(DataRefused, match=f"m.db.reembed.lock {why}.*nothing is read") as refusal:
        ask(path)

    assert "rm " in refusal.value.tip
    assert (private.stat().st_mode, private.read_text()) == before


def test_a_dangling_link_makes_no_file(path: Path, tmp_path: Path) -> None:
    lock_path(path).symlink_to(tmp_path / "nowhere")

    with pytest.raises(DataRefused, match="is a link"):
        hold(path)

    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_was_there_keeps_its_owner_and_mode(path: Path) -> None:
    lock_path(path).touch(mode=0o640)
    path.chmod(0o666)

    hold(path)

    assert stat.S_IMODE(lock_path(path).stat().st_mode) == 0o640


def test_a_new_file_is_never_made_in_the_place_of_another(path: Path, private: Path) -> None:
    with pytest.raises(FileExistsError):
        side_file.create(private, path.stat(), mode=0o666)

    assert private.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
class TestOtherOwners:
    """Who may have made the file: root, this user, the database's owner, and whoever may write the database too."""

    @pytest.mark.parametrize(("owner", "group"), [(0, 0), (12345, 12345), (12345, 0)])
    def test_the_owner_of_the_database_and_root_may(self, path: Path, owner: int, group: int) -> None:
        os.chown(path, 12345, 12345)
        lock_path(path).touch()
        os.chown(lock_path(path), owner, group)

        hold(path)

        assert read_holder(path) == ME

    def test_a_stranger_may_not(self, path: Path) -> None:
        lock_path(path).touch()
        os.chown(lock_path(path), 23456, 23456)

        with pytest.raises(DataRefused, match="belongs to user 23456"):
            hold(path)

    @pytest.mark.parametrize(("mode", "group"), [(0o660, 12345), (0o666, 23456)])
    def test_whoever_may_write_the_database_may(self, path: Path, mode: int, group: int) -> None:
        os.chown(path, 12345, 12345)
        path.chmod(mode)
        lock_path(path).touch()
        os.chown(lock_path(path), 23456, group)

        hold(path)

        assert read_holder(path) == ME

    def test_a_file_of_its_own_is_made_for_owner_and_group_of_the_database(self, path: Path) -> None:
        os.chown(path, 12345, 23456)

        hold(path)

        found = lock_path(path).stat()
        assert (found.st_uid, found.st_gid) == (12345, 23456)


@pytest.mark.parametrize("words", [("reembed", "--yes", "-q"), ("reembed", "--stamp-only"), ("reembed", "status")])
@pytest.mark.parametrize("why", ["is a link", "is a pipe"])
def test_a_command_names_what_stands_in_the_place_of_the_lock_in_one_line(
    tmp_path: Path, private: Path, why: str, words: tuple[str, ...]
) -> None:
    with FakeEndpoint(dim=4) as endpoint:
        command = Command(files.create(tmp_path / "m.db", 3), remote(endpoint))
        assert command.reembed().code == 0
        lock_path(command.db).unlink()
        PLANTED[why](lock_path(command.db), private)

        refused = command.run(*words)

    assert refused.code == 65
    assert refused.error.startswith(f"{lock_path(command.db)} {why}")
    assert (stat.S_IMODE(private.stat().st_mode), private.read_text()) == (0o600, "precious")


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("why", PLANTED)
@pytest.mark.parametrize("read_only", [True, False])
def test_what_sqlite_would_open_beside_a_database_is_looked_at_first(
    path: Path, private: Path, suffix: str, why: str, *, read_only: bool
) -> None:
    for left in path.parent.glob("m.db-*"):
        left.unlink()
    PLANTED[why](path.with_name(f"m.db{suffix}"), private)
    before = private.stat().st_mode, private.stat().st_uid, private.read_text()

    with pytest.raises(DataRefused, match=f"m.db{suffix} {why}.*nothing is read") as refusal:
        open_database(path, read_only=read_only)

    assert "rm " in refusal.value.tip
    assert (private.stat().st_mode, private.stat().st_uid, private.read_text()) == before
