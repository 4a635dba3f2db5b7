"""The runner's lock: one holder, freed with its process, asked about without being taken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ai_memory.errors import DataRefused
from ai_memory.store.lock import Holder, is_locked, lock_path, read_holder, runner_lock
from tests.command import wait_for
from tests.conftest import ROOT

ME = Holder(os.getpid(), "here", 7)
HOLDING = """
import subprocess, sys, time
from pathlib import Path
from ai_memory.store.lock import Holder, runner_lock
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
    assert not is_locked(path)
    assert not lock_path(path).exists()

    with runner_lock(path, ME):
        assert is_locked(path)
        assert is_locked(path)
    assert not is_locked(path)


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
    assert (obtained, is_locked(path)) == ("True", True)

    process.kill()
    process.communicate()

    wait_for(lambda: not is_locked(path), seconds=1)
    os.kill(int(child), signal.SIGKILL)


def test_a_half_written_note_is_no_holder(path: Path) -> None:
    lock_path(path).write_text('{"pid": 1, "ho')

    assert read_holder(path) is None


def test_a_folder_that_takes_no_lock_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="cannot be opened"), runner_lock(tmp_path / "none" / "m.db", ME):
        pass
