"""reembed.md 10.3: programs of edits, starts, kills and outages, drawn by hypothesis, over the real engine."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.machine import Machine
from tests.support.sometimes import Sometimes

STEPS = 30
PROGRAMS = 300
SLOWLY_S = 2_400
"""It takes two minutes on quiet cores, and four on busy ones: that a machine is slow is no fault of a promise."""


@pytest.mark.timeout(SLOWLY_S)
def test_every_promise_holds_after_every_step_of_any_program(
    fast_folder: Path, sometimes: Sometimes, figures: list[str], pytestconfig: pytest.Config, *, long_form: bool
) -> None:
    tally: Counter[str] = Counter()
    programs = int(pytestconfig.getoption("--programs")) if long_form else PROGRAMS
    drawn = settings(
        max_examples=programs,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=not long_form,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(cast("type[Machine]", lambda: Machine(fast_folder, sometimes, tally)), settings=drawn)
    steps = f"{tally['programs']:,} programs, {tally['steps']:,} steps"
    figures.append(f"state machine: {steps}, {tally['starts']:,} starts, {tally['kills']:,} of them killed")
    undone = f"{tally['rollbacks']:,} rollbacks, {tally['rollbacks killed']:,} of them killed"
    figures.append(f"state machine: {undone}; all good")
