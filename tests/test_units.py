"""The units of systemd in packaging/: systemd takes them, what they start works, and the page shows them so."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support import files
from tests.support.command import Command, remote
from tests.support.fake_endpoint import FakeEndpoint

UNITS = sorted((ROOT / "packaging").glob("*"))
SERVICE = ROOT / "packaging" / "ai-memory-reembed.service"
INSTALLED = "/opt/ai-memory/venv/bin/ai-memory"
CONFIG, DB = "/etc/ai-memory/config.toml", "/var/lib/ai-memory/ai-memory.db"


@pytest.fixture
def command(tmp_path: Path, endpoint: FakeEndpoint) -> Iterator[Command]:
    command = Command(files.create(tmp_path / "m.db", 6), remote(endpoint))
    yield command
    command.end()


def verified(folder: Path) -> str:
    """Return what systemd says of the units in a folder."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    line = ["systemd-analyze", "verify", *map(str, sorted(folder.glob("*.*")))]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    return f"{done.stdout}{done.stderr}" + (f"exit {done.returncode}" if done.returncode else "")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, in which the program is one that is installed here: systemd looks for it."""
    folder = tmp_path / "units"
    folder.mkdir()
    for unit in UNITS:
        (folder / unit.name).write_text(unit.read_text("utf-8").replace(INSTALLED, sys.executable), "utf-8")
    return folder


def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    assert len(UNITS) == 2
    assert verified(units) == ""


def test_systemd_would_have_told_of_a_mistake(units: Path) -> None:
    service = units / SERVICE.name
    service.write_text(service.read_text("utf-8").replace("SuccessExitStatus", "SuccesExitStatus"), "utf-8")

    assert "SuccesExitStatus" in verified(units)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.suffix)
def test_the_page_for_operators_shows_a_unit_as_it_is(unit: Path) -> None:
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")

    assert unit.read_text("utf-8") in re.findall(r"^```ini\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def test_what_the_service_starts_migrates_what_was_approved(command: Command, tmp_path: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", SERVICE.read_text("utf-8"), re.MULTILINE)
    config = tmp_path / "config.toml"
    config.write_text("", "utf-8")
    program, *words = shlex.split(line)
    words = [{CONFIG: str(config), DB: str(command.db)}.get(word, word) for word in words]

    refused = command.run(*words)
    assert (program, refused.code) == (INSTALLED, 12)
    assert command.run("reembed", "approve").code == 0
    started = command.run(*words)

    assert (started.code, started.err) == (0, "")
    assert all(files.vectors(command.db).values())


def test_rows_in_quarantine_and_a_spent_budget_are_no_failure_for_systemd(
    command: Command, endpoint: FakeEndpoint
) -> None:
    (told,) = re.findall(r"^SuccessExitStatus=(.*)$", SERVICE.read_text("utf-8"), re.MULTILINE)
    endpoint.change(poison="id-003")

    ended = [command.run("-q", "reembed", *words).code for words in (("--max-rows", "2"), ("--resume",))]

    assert ended == [75, 10]
    assert set(map(str, ended)) < set(told.split())
