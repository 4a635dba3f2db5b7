"""scripts/crash-test, but for the hours it takes."""

from __future__ import annotations

import subprocess

from tests.conftest import ROOT


def test_a_harness_that_is_not_there_is_refused_in_one_line_that_names_those_that_are() -> None:
    command = [str(ROOT / "scripts" / "crash-test"), "replay", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("scripts/crash-test: there is no harness nonsense. These are: replay io-errors ")
    assert done.stderr.count("\n") == 1
