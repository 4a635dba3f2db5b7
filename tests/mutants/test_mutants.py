"""reembed.md 10.6: every mutant must make the harness fail that is there to catch it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ai_memory.errors import TransientFailure
from tests.actions.test_recall_spaces import check_spaces
from tests.commands.test_other_width import check_exchange
from tests.config.test_kept import check_believed
from tests.crash.test_stored_switched import check_stored
from tests.crash.test_switch import check_back, check_switch
from tests.crash.test_undo import check_prune, check_run
from tests.embed.local.test_engine_auto import check_engines
from tests.embed.test_local_pool import check_workers
from tests.machine.in_files import Files
from tests.machine.machine import Machine
from tests.mutants.mutants import (
    BACK,
    BESIDE,
    ENGINES,
    EXCHANGE,
    FLIP,
    INTERRUPTIONS,
    LIAR,
    MACHINE,
    MUTANTS,
    PRUNE,
    REDO,
    SPACES,
    STORED,
    SWITCH,
    UNDO,
    WORKERS,
    Mutant,
)
from tests.reembed.finish.test_rollback import check_redo_of_lies, check_written_twice
from tests.reembed.finish.test_switch import check_edits
from tests.reembed.sweep.test_asked_again import check_liar
from tests.reembed.sweep.test_beside import check_beside
from tests.reembed.sweep.test_inherited import Killed, check_cut_off
from tests.reembed.test_checkpoint_properties import check_cursors, check_interruptions
from tests.support.sometimes import Sometimes

PROGRAMS, PROGRAMS_LONG = 30, 600
"""Programs of the state machine in which a mutant must be caught; most are in the first twenty."""
MAY_ESCAPE = 12
"""Mutants that the short form may leave to the long one: which ones it catches changes with what the machine draws."""

CASES = [pytest.param(each, by, id=f"{each.name}-{by}") for each in MUTANTS for by in each.caught_by]


@pytest.fixture(scope="module")
def escaped() -> list[str]:
    """The mutants that the short form has not caught."""
    return []


# A machine that others use takes minutes for hundreds of programs.
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(("mutant", "harness"), CASES)
def test_a_mutant_is_caught(
    mutant: Mutant,
    harness: str,
    fast_folder: Path,
    figures: list[str],
    monkeypatch: pytest.MonkeyPatch,
    escaped: list[str],
    long_form: bool,
) -> None:
    for change in mutant.changes:
        change.apply(monkeypatch)

    if harness == MACHINE and not long_form:
        if not is_caught_soon(fast_folder):
            escaped.append(mutant.name)
            pytest.skip(f"{PROGRAMS} programs do not catch it: scripts/crash-test mutants draws more")
    else:
        with pytest.raises(AssertionError):
            RUNS[harness](fast_folder)

    figures.append(f"mutant {mutant.name!r}: caught by {harness}")


def test_few_mutants_are_left_to_the_long_form(escaped: list[str]) -> None:
    assert len(escaped) <= MAY_ESCAPE, escaped


def is_caught_soon(folder: Path) -> bool:
    try:
        run_machine(folder, PROGRAMS)
    except AssertionError:
        return True
    return False


def run_interruptions(folder: Path) -> None:
    check_interruptions(folder, PROGRAMS_LONG, random=False)
    check_cursors(folder, PROGRAMS_LONG, random=False)


def run_liar(folder: Path) -> None:
    for true in range(6):
        check_liar(folder, true=true)
    for failure in (TransientFailure, Killed):
        check_cut_off(folder, failure)


def run_redo(folder: Path) -> None:
    check_redo_of_lies(folder / "m.db")
    check_written_twice(folder / "n.db")


def run_spaces(folder: Path) -> None:
    check_spaces(folder)
    check_believed(folder)


def run_machine(folder: Path, programs: int) -> None:
    drawn = settings(
        max_examples=programs,
        stateful_step_count=30,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    program = lambda: Machine(Files(folder), Sometimes(), Counter())  # noqa: E731
    run_state_machine_as_test(cast("type[Machine]", program), settings=drawn)


RUNS: Mapping[str, Callable[[Path], object]] = {
    MACHINE: lambda folder: run_machine(folder, PROGRAMS_LONG),
    INTERRUPTIONS: run_interruptions,
    LIAR: run_liar,
    SPACES: run_spaces,
    UNDO: lambda folder: check_run(folder, 0),
    PRUNE: lambda folder: check_prune(folder, 0),
    STORED: lambda folder: check_stored(folder, 0),
    REDO: run_redo,
    SWITCH: lambda folder: check_edits(folder / "m.db"),
    FLIP: lambda folder: check_switch(folder, 0),
    BACK: lambda folder: check_back(folder, 0),
    ENGINES: check_engines,
    WORKERS: check_workers,
    BESIDE: check_beside,
    EXCHANGE: lambda _: check_exchange(),
}
