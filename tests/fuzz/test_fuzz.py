"""The fuzz of scripts/fuzz in its short form."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

SHORT = ("--inputs", "1000", "--seed", "20261125")
LONG = ("--inputs", "10000")


@pytest.mark.timeout(7200)
def test_odd_files_answers_configurations_and_paths_break_no_rule(long_form: bool, figures: list[str]) -> None:
    line = [sys.executable, "-m", "tests.fuzz", *(LONG if long_form else SHORT)]
    # A process of its own: what it takes of memory is measured.
    ran = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures.append(ran.stdout.splitlines()[-1].removeprefix("figures: "))
