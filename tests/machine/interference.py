"""What other processes do to a run while a runner of it is busy, or sleeps."""

from __future__ import annotations

from ai_memory.reembed.options import Options
from ai_memory.stores.opening import database
from tests.machine.edits import MODELS
from tests.machine.invocation import Clock, Invocation, Script
from tests.machine.world import World
from tests.support.promises import Model

SECOND_START = "second start"
HELD, STUCK = 11, 1
CRON = Options(resume=True, or_start=True)
UNFINISHED = "SELECT run_id, state, fence FROM reembed_run WHERE state IN ('running', 'paused')"
STATES = {"cancel": "cancelled", "pause": "paused"}


def interfere(event: str, world: World, clock: Clock, model: Model) -> bool:
    """Do it, and return whether the run is nobody's or somebody else's now."""
    before = run_of(world)
    if event == SECOND_START:
        _start_beside(world, clock, model)
    elif event in STATES:
        _transition(world, clock, STATES[event])
    else:
        _steal(event, world, clock, model)
    return before is not None and run_of(world) != before


def run_of(world: World) -> tuple[int, str, int] | None:
    """Return the unfinished run: its number, its state, its fence."""
    found = world.file.execute(UNFINISHED) if world.file.has_table("reembed_run") else []
    return (int(found[0][0]), str(found[0][1]), int(found[0][2])) if found else None


def _transition(world: World, clock: Clock, state: str) -> None:
    now_ms = clock.now_ms()
    with database(world.path).write(now_ms=now_ms) as store, store.transaction() as transaction:
        run = transaction.reader.runs.unfinished()
        if run is not None and run.state != state:
            transaction.runs.transition(run, state, now_ms=now_ms, fenced=False)


def _start_beside(world: World, clock: Clock, model: Model) -> None:
    """Start a second runner the way cron does; it must see the first one and do nothing."""
    outcome = Invocation(world, clock, model, Script(), interfere=lambda _: None).run(CRON)
    assert outcome.exit_code in (HELD, STUCK)
    assert not outcome.calls


def _steal(event: str, world: World, clock: Clock, model: Model) -> None:
    """Start a second runner where the lock cannot stop it: it is lost to whoever holds it."""
    world.storage.lose_lock(world.path)
    other = next(each for each in MODELS if each != model)
    options = {
        "usurp": Options(resume=True, batch=2, max_rows=3),
        "supersede": Options(retarget=True, batch=2, max_rows=3),
    }[event]
    target = model if event == "usurp" else other
    Invocation(world, clock, target, Script(), interfere=lambda _: None).run(options)
