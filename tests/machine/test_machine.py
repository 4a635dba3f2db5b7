"""reembed.md 10.3: programs of edits, starts, kills and outages, drawn by hypothesis, over the real engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.harness import Harness
from tests.machine.in_files import Files
from tests.machine.machine import Machine
from tests.machine.on_server import OnServer
from tests.machine.storage import Storage
from tests.support.postgres_server import Server
from tests.support.sometimes import Sometimes

STEPS = 30
PROGRAMS = 300
ON_SERVER, STEPS_ON_SERVER = 12, 12
"""A program takes some twenty times as long there."""
SLOWLY_S = 2_400
"""It takes two minutes on quiet cores, and four on busy ones: that a machine is slow is no fault of a promise."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one test over new stores of a kind; `what` they are is told with their figures."""

    what: str
    storage: Callable[[], Storage]
    drawn: settings

    def run(self, harness: Harness, sometimes: Sometimes) -> None:
        """Run them all."""
        tally: Counter[str] = Counter()
        machine = cast("type[Machine]", lambda: Machine(self.storage(), sometimes, tally))
        run_state_machine_as_test(machine, settings=self.drawn)
        steps = f"{tally['programs']:,} programs, {tally['steps']:,} steps"
        harness.figures.append(f"{self.what}: {steps}, {tally['starts']:,} starts, {tally['kills']:,} of them killed")
        undone = f"{tally['rollbacks']:,} rollbacks, {tally['rollbacks killed']:,} of them killed"
        harness.figures.append(f"{self.what}: {undone}; all good")


@pytest.mark.timeout(SLOWLY_S)
def test_every_promise_holds_after_every_step_of_any_program(
    fast_folder: Path, sometimes: Sometimes, harness: Harness
) -> None:
    drawn = harness.drawn(PROGRAMS, STEPS, long_steps=STEPS)
    Programs("state machine", lambda: Files(fast_folder), drawn).run(harness, sometimes)


@pytest.mark.timeout(SLOWLY_S)
def test_every_promise_holds_on_a_server_after_every_step_of_any_program(
    postgres: Server, sometimes: Sometimes, harness: Harness
) -> None:
    drawn = harness.drawn(ON_SERVER, STEPS_ON_SERVER, long_steps=STEPS, long_share=20)
    Programs("state machine on PostgreSQL", lambda: OnServer(postgres), drawn).run(harness, sometimes)
