"""What the machine must meet on every store, in two short programs: each falls where its guard is taken out."""

from __future__ import annotations

import pytest

from ai_memory.reembed.options import Options
from ai_memory.stores.postgres import pending, provenance, run_figures, runs
from tests.machine.edits import MODELS, Edit, Insert, Outrun
from tests.machine.interference import interfere
from tests.machine.invocation import Clock, Invocation, Outcome, Script
from tests.machine.judge import Judge
from tests.machine.on_server import OnServer
from tests.machine.storage import Storage
from tests.machine.world import World
from tests.support.postgres_server import Server
from tests.support.sometimes import Sometimes

ONE_BY_ONE = Options(batch=1, max_rows=4)
"""It stops before a later pass could mend anything."""
NO_FENCE = ("AND fence = %(fence)s AND state", "AND %(fence)s >= 0 AND state")
NO_TEXT = (" AND m.content IS NOT DISTINCT FROM p.content", "")


def judged(storage: Storage, script: Script) -> Outcome:
    """Run one start over six memories, hold it against the promises, and return what became of it."""
    world, clock = World(storage, 0), Clock()
    for number in range(6):
        Insert(f"id-{number}", "global", f"note {number}", f"alpha {number}").apply(world)
    judge = Judge(world, Sometimes())

    def steal(event: str) -> None:
        if interfere(event, world, clock, MODELS[0]):
            judge.freeze()

    try:
        judge.before(ONE_BY_ONE)
        outcome = Invocation(world, clock, MODELS[0], script, interfere=steal).run(ONE_BY_ONE)
        judge.judge_outcome(outcome, ONE_BY_ONE, MODELS[0], now_ms=clock.now_ms())
        judge.judge_file()
    finally:
        world.close()
    return outcome


def usurped() -> Script:
    """Return a script in which another runner takes the run over, as the lock of the first one is lost."""
    return Script(calls={6: "usurp"})


def outrun() -> Script:
    """Return a script in which memories are edited while their texts are with the embedder."""
    edits: list[Edit] = [Outrun("beta")]
    return Script(edits=dict.fromkeys(range(2, 9), edits))


def test_a_runner_that_lost_its_run_writes_nothing_more(storage: Storage) -> None:
    assert judged(storage, usurped()).exit_code not in (0, 10, None)


def test_a_memory_that_was_edited_meanwhile_gets_no_vector_of_its_old_text(storage: Storage) -> None:
    outcome = judged(storage, outrun())

    assert outcome.report
    assert outcome.report.raced > 0


def test_without_the_fence_it_does(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is asked at each sign of life, and at each commit.
    for module, name in ((runs, "HOLD"), (run_figures, "BEAT")):
        sql = getattr(module, name)
        assert NO_FENCE[0] in sql
        monkeypatch.setattr(module, name, sql.replace(*NO_FENCE))

    with pytest.raises(AssertionError):
        judged(OnServer(postgres), usurped())


def test_without_a_look_at_its_text_it_does(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NO_TEXT[0] in pending.SAME_TEXT
    monkeypatch.setattr(provenance, "SAME_TEXT", pending.SAME_TEXT.replace(*NO_TEXT))

    with pytest.raises(AssertionError):
        judged(OnServer(postgres), outrun())
