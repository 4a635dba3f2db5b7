"""Bugs of our own that the state machine found, each as the shortest program that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_memory.reembed.options import Options
from tests.machine.edits import MODELS, Delete, Insert, Move, Rewrite
from tests.machine.in_files import Files
from tests.machine.interference import CRON, interfere
from tests.machine.invocation import Clock, Invocation, Outcome, Script
from tests.machine.judge import Judge
from tests.machine.storage import Storage
from tests.machine.world import World
from tests.support.sometimes import Sometimes


def test_a_plain_text_beside_a_left_over_envelope_is_embedded(storage: Storage) -> None:
    # It was read as plain and written only if sealed rows were plain: raced for ever, exit 75 on every start.
    world = World(storage, 0)
    Insert("a", "global", "note", "", "sealed").apply(world)
    Rewrite(0, "a plain text").apply(world)

    outcome = Invocation(world, Clock(), MODELS[0], Script(), interfere=lambda _: None).run(Options())

    assert outcome.exit_code == 0
    assert world.view().rows[1].is_right(MODELS[0])
    world.close()


def test_a_paused_run_of_one_namespace_does_not_answer_for_the_rows_outside_of_it(storage: Storage) -> None:
    # Nothing was stale in its namespace any more: exit 0, "nothing to do", every night, with rows of the old model.
    world, clock = World(storage, 0), Clock()
    for name in ("one", "two"):
        Insert(name, "global", name, "in it").apply(world)
    Insert("three", "elsewhere", "three", "outside of it").apply(world)
    assert _start(world, clock, Options(scope=("global",), batch=1, max_rows=1)).exit_code == 75
    Delete(1).apply(world)
    interfere("pause", world, clock, MODELS[0])

    assert [_start(world, clock, CRON).exit_code, _start(world, clock, Options(resume=True)).exit_code] == [12, 12]
    interfere("cancel", world, clock, MODELS[0])
    assert _start(world, clock, CRON).exit_code == 0
    assert all(row.is_right(MODELS[0]) for row in world.view().rows.values())
    world.close()


def test_a_run_of_one_namespace_that_is_gone_on_with_does_not_answer_for_the_rows_outside_of_it(
    storage: Storage,
) -> None:
    # Exit 0 for what --or-start asks of the whole file, where the census had seen one namespace.
    world, clock = World(storage, 0), Clock()
    Insert("one", "global", "one", "in it").apply(world)
    Insert("two", "global", "two", "in it").apply(world)
    Insert("three", "elsewhere", "three", "outside of it").apply(world)
    _start(world, clock, Options(scope=("global",), batch=1, max_rows=1))

    assert [_start(world, clock, CRON).exit_code for _ in range(3)] == [75, 0, 0]
    assert all(row.is_right(MODELS[0]) for row in world.view().rows.values())
    world.close()


@pytest.mark.parametrize("statement", range(95, 125))
def test_a_row_moved_into_a_run_s_namespace_after_its_census_makes_no_lie_of_its_end(
    fast_folder: Path, statement: int
) -> None:
    # No bug of the program: the judge took its last look at the file, for rows of other namespaces, for its census.
    world, clock = World(Files(fast_folder), 0), Clock()
    for name in ("one", "two", "three"):
        Insert(name, "global", name, "in it").apply(world)
    Insert("four", "elsewhere", "four", "outside of it").apply(world)
    judge = Judge(world, Sometimes())
    first, then = Options(scope=("global",), max_rows=1, batch=1), Options(resume=True, retarget=True)
    for options, script in ((first, Script()), (then, Script(statements={statement: Move(3, "global")}))):
        judge.before(options)
        outcome = Invocation(world, clock, MODELS[0], script, interfere=lambda _: None).run(options)
        judge.judge_outcome(outcome, options, MODELS[0], now_ms=clock.now_ms())
    world.close()


def _start(world: World, clock: Clock, options: Options) -> Outcome:
    return Invocation(world, clock, MODELS[0], Script(), interfere=lambda _: None).run(options)
