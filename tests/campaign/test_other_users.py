"""One file, several users: cron as root, a person in the group, a home that is not one's own."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import files
from tests.support.command import Command, kill, remote, wait_for
from tests.support.fake_endpoint import FakeEndpoint


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    with FakeEndpoint(dim=16) as endpoint:
        yield Command(files.create(tmp_path / "m.db", 20), remote(endpoint))


@pytest.fixture
def bound(command: Command) -> Command:
    """The command as a process that the permissions of files bind, also where the tests run as root."""
    if os.geteuid():
        return command
    prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if not shutil.which("setpriv") or subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        pytest.skip("root ignores the permissions of files, and setpriv cannot change that here")
    return replace(command, prefix=prefix)


@pytest.mark.parametrize(("mode", "lock"), [(0o600, 0o600), (0o660, 0o660), (0o664, 0o660), (0o644, 0o600)])
def test_whoever_may_write_the_database_may_hold_its_lock_and_nobody_else(
    command: Command, mode: int, lock: int
) -> None:
    command.db.chmod(mode)

    assert command.reembed().code == 0
    assert stat.S_IMODE(Path(f"{command.db}.reembed.lock").stat().st_mode) == lock


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as somebody else")
def test_a_run_as_root_leaves_a_lock_that_the_owner_can_take(command: Command) -> None:
    os.chown(command.db, 12345, 12345)

    assert command.reembed().code == 0
    assert Path(f"{command.db}.reembed.lock").stat().st_uid == 12345


def test_a_lock_that_may_not_be_opened_is_named_in_one_line(bound: Command) -> None:
    lock = Path(f"{bound.db}.reembed.lock")
    assert bound.reembed().code == 0
    lock.chmod(0)

    shown = bound.run("reembed", "status")
    assert (shown.code, shown.out.splitlines()[1].split()[0]) == (0, "done")
    assert bound.reembed().error.startswith(f"{lock} cannot be opened for writing: Permission denied.")


def test_who_may_not_read_the_lock_is_told_of_the_runner_by_its_run(bound: Command) -> None:
    runner = bound.start("reembed", "--batch", "1", "--sleep-ms", "60000")
    wait_for(lambda: bound.run("reembed", "status", "--json").json.get("done"))
    Path(f"{bound.db}.reembed.lock").chmod(0)

    at_work = bound.run("reembed", "status").out
    kill(runner)
    killed = bound.run("reembed", "status").out

    assert f"\nrunning: process {runner.pid} on " in at_work
    assert f"\ninterrupted: process {runner.pid} on " in killed


def test_a_configuration_out_of_reach_is_named_in_one_line(bound: Command, tmp_path: Path) -> None:
    home = tmp_path / "root"
    (home / "ai-memory").mkdir(parents=True)
    (home / "ai-memory").chmod(0)
    refused = replace(bound, env={**bound.env, "XDG_CONFIG_HOME": str(home)}).run("list")
    (home / "ai-memory").chmod(0o700)

    assert refused.code == 3
    assert refused.error.startswith(f"{home / 'ai-memory' / 'config.toml'} cannot be read: Permission denied.")
    assert "AI_MEMORY_NO_CONFIG" in refused.error


def test_a_run_whose_namespace_was_emptied_meanwhile_has_nothing_left_to_do(command: Command) -> None:
    assert command.reembed("--namespace", "a", "--batch", "2", "--max-rows", "2").code == 75
    files.execute(command.db, "UPDATE memories SET namespace = 'c', title = 'moved ' || title WHERE namespace = 'a'")

    resumed = command.reembed("--resume")

    assert (resumed.code, resumed.json["state"], resumed.json["total"]) == (0, "done", 0)
