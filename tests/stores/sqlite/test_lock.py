"""The runner's lock: one holder, freed with its process, asked about without being taken."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ai_memory.errors import DataRefused
from ai_memory.stores.holder import Holder, LockState, Task
from ai_memory.stores.sqlite.lock import lock_path, lock_state, read_holder, runner_lock
from tests.conftest import ROOT
from tests.support.command import wait_for
from tests.support.files import shared

ME = Holder(os.getpid(), "here", 7)
HOLDING = """
import subprocess, sys, time
from pathlib import Path
from ai_memory.stores.holder import Holder; from ai_memory.stores.sqlite.lock import runner_lock
with runner_lock(Path(sys.argv[1]), Holder(1, "there", 8)) as obtained:
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
    print(obtained, child.pid, flush=True)
    time.sleep(60)
"""


def test_the_lock_has_one_holder_at_a_time(path: Path) -> None:
    with runner_lock(path, ME) as first, runner_lock(path, ME) as second:
        assert (first, second) == (True, False)

    with runner_lock(path, ME) as again:
        assert again


def test_who_holds_the_lock_is_written_beside_the_database(path: Path) -> None:
    assert read_holder(path) is None

    with runner_lock(path, ME), runner_lock(path, Holder(2, "other", 9)):
        assert read_holder(path) == ME


def test_asking_takes_nothing(path: Path) -> None:
    assert lock_state(path) is LockState.FREE
    assert not lock_path(path).exists()

    with runner_lock(path, ME):
        assert lock_state(path) is LockState.RUNNER
        assert lock_state(path) is LockState.RUNNER
    assert lock_state(path) is LockState.FREE


def test_every_name_of_the_database_has_the_same_lock(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)

    with runner_lock(path, ME), runner_lock(link, ME) as second:
        assert not second


def test_the_lock_file_is_never_removed(path: Path) -> None:
    with runner_lock(path, ME):
        inode = lock_path(path).stat().st_ino

    assert lock_path(path).stat().st_ino == inode


def test_a_killed_holder_is_gone_at_once_though_its_child_lives(path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDING, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    obtained, child = process.stdout.readline().split()
    assert (obtained, lock_state(path)) == ("True", LockState.RUNNER)

    process.kill()
    process.communicate()

    wait_for(lambda: lock_state(path) is LockState.FREE, seconds=1)
    os.kill(int(child), signal.SIGKILL)


@pytest.mark.parametrize(
    "note",
    [
        '{"pid": 1, "ho',
        "[" * 100_000,
        "[" * 4_000,
        "9" * 4_000,
        "null",
        "\0\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        '{"pid": 1, "host": "here"}',
        '{"pid": "1", "host": "here", "started_at": 1}',
        '{"pid": true, "host": "here", "started_at": 1}',
        '{"pid": 1.5, "host": "here", "started_at": 1}',
        '{"pid": -1, "host": "here", "started_at": 1}',
        '{"pid": 1, "host": null, "started_at": 1}',
        '{"pid": 1, "host": "here", "started_at": "1"}',
        '{"pid": 1, "host": "here", "started_at": -5}',
    ],
)
def test_a_note_that_no_runner_wrote_is_no_holder(path: Path, note: str) -> None:
    lock_path(path).write_text(note, encoding="latin-1")

    assert read_holder(path) is None


def test_a_note_with_a_field_of_a_later_release_is_a_holder() -> None:
    assert Holder.from_json('{"pid": 1, "host": "here", "started_at": 8, "started_by": "cron"}') == Holder(1, "here", 8)
    assert Holder.from_json('{"pid": 1, "host": "here", "started_at": 8, "task": ["mine"]}') == Holder(1, "here", 8)


@pytest.mark.parametrize("task", Task)
def test_a_holder_comes_back_from_its_note_as_it_was(task: Task) -> None:
    assert Holder.from_json(replace(ME, task=task).to_json()) == replace(ME, task=task)


def test_a_process_that_only_reads_the_lock_is_no_runner(path: Path) -> None:
    with runner_lock(path, ME):
        pass

    with shared(lock_path(path)):
        assert lock_state(path) is LockState.READER


@pytest.mark.parametrize(
    ("database", "lock"),
    [(0o644, 0o600), (0o600, 0o600), (0o660, 0o660), (0o664, 0o660), (0o666, 0o666), (0o400, 0o600)],
)
def test_only_those_who_may_write_the_database_may_open_a_new_lock(path: Path, database: int, lock: int) -> None:
    path.chmod(database)

    with runner_lock(path, ME):
        assert stat.S_IMODE(lock_path(path).stat().st_mode) == lock


def test_a_database_with_a_second_name_is_not_locked(path: Path, tmp_path: Path) -> None:
    (tmp_path / "other.db").hardlink_to(path)

    with pytest.raises(DataRefused, match="has 2 names") as refusal, runner_lock(path, ME):
        pass

    assert f"find / -xdev -samefile {path}" in refusal.value.tip
    assert not lock_path(path).exists()


@pytest.mark.parametrize(
    ("holder", "may_live"),
    [
        (Holder(os.getpid(), socket.gethostname(), 7), True),
        (Holder(2**22 + 1, socket.gethostname(), 7), False),
        (Holder(2**70, socket.gethostname(), 7), False),
        (Holder(2**22 + 1, "elsewhere", 7), True),
    ],
)
def test_only_of_this_host_it_is_known_that_a_process_is_gone(holder: Holder, may_live: bool) -> None:
    assert holder.may_live() is may_live


def test_a_folder_that_takes_no_lock_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="cannot be opened"), runner_lock(tmp_path / "none" / "m.db", ME):
        pass
