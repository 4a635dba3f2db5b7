"""The way to a database file: whatever stands there, or does not, is one of our errors and never the system's."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from ai_memory.errors import DataRefused, NotFinished, StorageFailed
from ai_memory.stores.sqlite import file
from ai_memory.stores.sqlite.connection import open_database
from ai_memory.stores.sqlite.database import reading, writing
from tests.support import files

READER = 65_534
INSERT = (
    "INSERT INTO memories (id, tier, title, content, created_at, updated_at) VALUES ('one', 'mid', 't', 'c', '', '')"
)


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """Act as another user inside the block."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared(fast_folder: Path) -> Iterator[Path]:
    """A database of root's that everybody may read, in a folder where everybody may write."""
    if os.geteuid():
        pytest.skip("only root can act as two users")
    path = files.create(fast_folder / "m.db", 3)
    path.chmod(0o644)
    fast_folder.chmod(0o777)
    yield path
    fast_folder.chmod(0o700)


def opened(path: Path, *, create: bool = False) -> None:
    with writing(path, now_ms=0, create=create):
        pass


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("a file")


@pytest.mark.parametrize("stand", [folder, os.mkfifo, loop, dangling, below_a_file])
def test_what_is_no_file_is_refused_and_left_as_it_is(tmp_path: Path, stand: Callable[[Path], None]) -> None:
    path = tmp_path / "folder" / "m.db"
    path.parent.mkdir()
    stand(path)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(DataRefused), reading(path):
        pass
    with pytest.raises(DataRefused):
        opened(path, create=True)

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "/".join(["d" * 100] * 6)])
def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    for create in (False, True):
        with pytest.raises(DataRefused):
            opened(tmp_path / name, create=create)


def test_a_path_longer_than_sqlite_takes_is_refused_also_behind_a_link(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["d" * 100] * 5)
    deep.mkdir(parents=True)
    (tmp_path / "short").symlink_to(deep)

    with pytest.raises(DataRefused, match="bytes long; SQLite takes 504"):
        opened(tmp_path / "short" / "m.db", create=True)

    assert list(deep.iterdir()) == []


NAMES = ["caf\udce9.db", "?mode=memory", "a#b", "a%00b", "%2e%2e", ":memory:", "file:x", "a b\n", "ü🐍", "-v", "'\""]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_made_written_and_read_under_this_very_name(tmp_path: Path, name: str) -> None:
    opened(tmp_path / name, create=True)
    with writing(tmp_path / name, now_ms=0) as store:
        store.db.execute(INSERT)

    with reading(tmp_path / name) as store:
        assert store.db.value("SELECT count(*) FROM memories") == 1

    assert {each.name for each in tmp_path.iterdir() if not each.name.endswith(("-wal", "-shm"))} == {name}


def test_two_slashes_at_the_beginning_name_no_host(tmp_path: Path) -> None:
    files.create(tmp_path / "m.db", 1)

    with reading(Path(f"/{tmp_path}/m.db")) as store:
        assert store.db.value("SELECT count(*) FROM memories") == 1


def test_a_deleted_working_directory_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(DataRefused, match="working directory was deleted"):
        opened(Path("m.db"), create=True)
    with pytest.raises(DataRefused, match="working directory was deleted"), reading(Path("m.db")):
        pass


@pytest.mark.parametrize("umask", [0, 0o022, 0o277])
def test_a_new_database_and_its_log_are_their_owners_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with writing(tmp_path / "m.db", now_ms=0, create=True):
            found = {each.name: each.stat().st_mode & 0o777 & ~umask for each in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert found == dict.fromkeys(("m.db", "m.db-wal", "m.db-shm"), 0o600 & ~umask)


def test_a_database_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = files.create(tmp_path / "m.db", 1)
    path.chmod(0o664)

    opened(path, create=True)

    assert path.stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_whoever_only_reads_leaves_nothing_that_locks_the_owner_out(shared: Path, mode: int) -> None:
    # Who may write the file, too: what he makes beside it has his own group, in which the owner may not be.
    shared.chmod(mode)

    with as_user(READER), reading(shared) as store:
        assert store.db.value("SELECT count(*) FROM memories") == 3

    assert [each.name for each in shared.parent.iterdir()] == ["m.db"]


def test_a_reader_reads_beside_the_owner_who_writes(shared: Path) -> None:
    with writing(shared, now_ms=0) as owner:
        owner.db.execute("UPDATE memories SET content = 'new'")
        with as_user(READER), reading(shared) as store:
            assert store.db.value("SELECT count(*) FROM memories WHERE content = 'new'") == 3
        owner.db.execute("DELETE FROM memories")

    assert {each.stat().st_uid for each in shared.parent.iterdir()} == {0}


def test_a_reading_without_locks_is_void_when_the_owner_wrote_meanwhile(shared: Path) -> None:
    def read_while_the_owner_writes() -> None:
        with as_user(READER), reading(shared):
            os.seteuid(0)
            files.edit(shared, "id-000", "new")
            os.seteuid(READER)

    with pytest.raises(NotFinished, match="was written while it was read"):
        read_while_the_owner_writes()


def test_a_log_left_behind_is_not_read_by_whoever_would_leave_files_of_his_own(shared: Path) -> None:
    log, content = shared.with_name("m.db-wal"), b""
    with writing(shared, now_ms=0) as store:
        store.db.execute("UPDATE memories SET content = 'only in the log'")
        content = log.read_bytes()
        before = shared.read_bytes()
    shared.write_bytes(before)
    log.write_bytes(content)

    refusal = pytest.raises(DataRefused, match=r"write-ahead log \(WAL\), which only root can read")
    with refusal, as_user(READER), reading(shared):
        pass

    assert sorted(each.name for each in shared.parent.iterdir()) == ["m.db", "m.db-wal"]
    with reading(shared) as store:
        assert store.db.value("SELECT content FROM memories") == "only in the log"


def test_whoever_may_not_write_the_file_leaves_nothing_when_a_write_is_refused(shared: Path) -> None:
    with pytest.raises(DataRefused, match="is read-only"), as_user(READER):
        opened(shared)

    assert [each.name for each in shared.parent.iterdir()] == ["m.db"]


def test_a_file_beside_the_database_that_is_somebody_elses_is_named(shared: Path) -> None:
    for name in ("m.db", "."):
        os.chown(shared.parent / name, READER, -1)
    # A read-only connection cannot take away what it made.
    with closing(apsw.Connection(str(shared), flags=apsw.SQLITE_OPEN_READONLY)) as other:
        list(other.execute("SELECT count(*) FROM memories"))
    for name in ("m.db-wal", "m.db-shm"):
        os.chown(shared.with_name(name), 0, 0)

    failure = pytest.raises(StorageFailed, match=r"m\.db-(wal|shm) belongs to root and may not be written")
    with failure, as_user(READER), writing(shared, now_ms=0) as store:
        store.db.execute("DELETE FROM memories")


def test_the_owner_of_a_file_is_named_by_name_or_number(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    path.touch()

    assert file.owner_of(path) == "root" if os.geteuid() == 0 else file.owner_of(path)
    assert file.owner_of(tmp_path / "none") == "nobody"


def test_a_journal_that_names_another_file_is_not_played_back(tmp_path: Path) -> None:
    path, other = files.create(tmp_path / "m.db", rows=1), tmp_path / "precious"
    files.execute(path, "PRAGMA journal_mode = DELETE")
    other.write_bytes(b"precious\0")
    name = bytes(other)
    page, checksum = (0x40000000 // 4096 + 1).to_bytes(4, "big"), (sum(name) & 0xFFFFFFFF).to_bytes(4, "big")
    ending = page + name + len(name).to_bytes(4, "big") + checksum + bytes.fromhex("d9d505f920a163d7")
    header = bytes.fromhex("d9d505f920a163d7") + struct.pack(">5I", 0, 0, 1, 512, 4096)
    (tmp_path / "m.db-journal").write_bytes(header.ljust(512, b"\0") + ending)

    for read_only in (True, False):
        with pytest.raises(DataRefused, match="remove a file that the journal names"):
            open_database(path, read_only=read_only)

    assert other.exists()
