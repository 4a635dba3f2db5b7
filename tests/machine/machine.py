"""The state machine: a database with other writers, starts, kills and outages, judged after every rule."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ai_memory.reembed.finish.rollback_report import RollbackReport
from ai_memory.reembed.options import Options
from tests.machine.edits import MODELS, Edit, edits, inserts, rushed
from tests.machine.interference import SECOND_START, interfere
from tests.machine.invocation import Clock, Invocation, Outcome, Script
from tests.machine.judge import Judge
from tests.machine.pool import ORDERS
from tests.machine.storage import Storage
from tests.machine.world import World
from tests.support.promises import Model
from tests.support.sometimes import Sometimes

FAULTS = (
    "outage",
    "outage",
    "short outage",
    "short outage",
    "lost page",
    "rate limit",
    "refuse all",
    "refuse all",
    "refuse once",
    "no quota",
    "signal",
    "die",
    "stall",
)
INTERFERENCE = ("cancel", "pause", "usurp", "supersede", SECOND_START)
CRON: dict[str, bool] = {"resume": True, "or_start": True}
MODES: tuple[dict[str, bool], ...] = (
    CRON,
    CRON,
    CRON,
    CRON,
    {},
    {"resume": True},
    {"retarget": True},
    {"resume": True, "retarget": True},
)
MOST_BEGINNINGS = 6
REFUSED_BY_ALL = 65
QUIET_STARTS = 8
"""Starts after which a database that nobody disturbs any more must be done: breaker, scope, target, pause."""


def flags() -> st.SearchStrategy[Options]:
    sizes = st.tuples(st.integers(1, 5), st.sampled_from([None, None, None, 1, 2, 4]))
    scopes = st.sampled_from([*[None] * 20, ("global",), ("_inbox/x", "global")])
    return st.builds(
        lambda mode, size, scope, words, order: Options(
            **mode, batch=size[0], max_rows=size[1], scope=scope, **words, order=order
        ),
        st.sampled_from(MODES),
        sizes,
        scopes,
        st.sampled_from([{}, {}, {}, {"retry_quarantined": True}, {"skip_current": True}]),
        st.sampled_from([None, "hot"]),
    )


def scripts() -> st.SearchStrategy[Script]:
    # The first dozen are of the start and of the first page, which is alone.
    numbers = st.one_of(st.integers(1, 5), st.integers(6, 24))
    return st.builds(
        Script,
        calls=st.dictionaries(numbers, st.sampled_from(FAULTS + INTERFERENCE), max_size=2),
        edits=st.dictionaries(numbers, st.lists(rushed, min_size=1, max_size=2), max_size=2),
        statements=st.dictionaries(st.integers(1, 200), edits, max_size=2),
        kill_at=st.one_of(st.none(), st.none(), st.integers(20, 240)),
        order=st.sampled_from(ORDERS),
        max_batch=st.sampled_from([64, 3]),
        concurrency=st.sampled_from([1, 3]),
    )


class Machine(RuleBasedStateMachine):
    """One program: a database, and what happens to it; `tally` counts over all programs."""

    def __init__(self, storage: Storage, sometimes: Sometimes, tally: Counter[str]) -> None:
        super().__init__()
        self._tally = tally
        self._storage = storage
        self._sometimes = sometimes
        self._clock = Clock()
        self._model = MODELS[0]
        self._world: World
        self._judge: Judge

    @initialize(
        beginning=st.integers(0, MOST_BEGINNINGS - 1),
        first=st.lists(inserts, max_size=8),
    )
    def begin(self, beginning: int, first: Sequence[Edit]) -> None:
        self._world = World(self._storage, beginning % self._storage.beginnings)
        self._judge = Judge(self._world, self._sometimes)
        self._tally["programs"] += 1
        for each in first:
            each.apply(self._world)

    @rule(several=st.lists(edits, min_size=1, max_size=4), minutes=st.sampled_from([0, 1, 20]))
    def others_write(self, several: Sequence[Edit], minutes: int) -> None:
        for each in several:
            each.apply(self._world)
        self._clock.sleep(60 * minutes)

    @rule(options=flags(), script=scripts(), late=st.lists(edits, max_size=3))
    def start(self, options: Options, script: Script, late: Sequence[Edit]) -> None:
        for each in late:
            each.apply(self._world)
        self._invoke(options, script)

    @rule(new=st.sampled_from(["", "", "cancel", "pause"]), options=flags(), script=scripts())
    def start_again(self, new: str, options: Options, script: Script) -> None:
        if new:
            interfere(new, self._world, self._clock, self._model)
        self._invoke(options, script)

    @rule(model=st.sampled_from(MODELS), options=flags(), script=scripts())
    def start_to_another_model(self, model: Model, options: Options, script: Script) -> None:
        self._model = model
        self._invoke(options, script)

    @rule(model=st.sampled_from(MODELS), options=flags(), script=scripts())
    def retarget(self, model: Model, options: Options, script: Script) -> None:
        self._model = model
        self._invoke(replace(options, retarget=True, scope=None), script)

    @rule(script=scripts(), batch=st.integers(1, 4), most=st.sampled_from([None, None, 1, 3]))
    def roll_back(self, script: Script, batch: int, most: int | None) -> None:
        # It needs fewer statements than a run.
        self._undo(replace(script, kill_at=script.kill_at and script.kill_at // 5), batch, most)

    @rule(script=scripts(), options=flags(), batch=st.integers(1, 4))
    def roll_back_and_start_again(self, script: Script, options: Options, batch: int) -> None:
        self._undo(Script(), batch, None)
        self._invoke(replace(options, resume=False, or_start=False), script)

    @rule(script=scripts())
    def prune(self, script: Script) -> None:
        self._call(script).prune()

    @invariant()
    def promises_hold(self) -> None:
        if hasattr(self, "_judge"):
            self._judge.judge_file()
            self._tally["steps"] += 1

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None and hasattr(self, "_judge"):
                self._come_to_rest()
        finally:
            if hasattr(self, "_world"):
                self._world.close()
            self._storage.close()

    def _invoke(self, options: Options, script: Script) -> Outcome:
        began = self._clock.now_ms()
        if options.resume and not options.retarget and self._judge.unfinished():
            # A run goes on in its own order; what becomes of another is in tests/reembed/test_hot.py.
            options = replace(options, order=None)
        self._judge.before(options)
        outcome = self._call(script).run(options)
        self._tally.update(["starts", "kills"] if outcome.killed else ["starts"])
        self._judge.judge_outcome(outcome, options, self._model, now_ms=began)
        return outcome

    def _call(self, script: Script) -> Invocation:
        return Invocation(self._world, self._clock, self._model, script, interfere=self._interfere)

    def _undo(self, script: Script, batch: int, most: int | None) -> None:
        self._judge.before_rollback()
        done = self._call(script).undo(batch=batch, max_rows=most)
        self._tally.update(["rollbacks", "rollbacks killed"] if done is None else ["rollbacks"])
        if isinstance(done, RollbackReport):
            self._judge.judge_rollback(done)

    def _interfere(self, event: str) -> None:
        if not self._world.frozen and interfere(event, self._world, self._clock, self._model):
            self._judge.freeze()

    def _come_to_rest(self) -> None:
        """Start until nothing is left to do, with nobody in the way; the end must be the same whatever came before."""
        for _ in range(QUIET_STARTS):
            self._clock.sleep(3600)
            self._end_pause()
            if self._judge.undoing():
                self._undo(Script(), 3, None)
            # Others may have stamped this model's vectors as another's: its operator says that they are meant.
            options = Options(resume=True, or_start=True, retarget=self._at_odds(), same_vectors=True)
            outcome = self._invoke(options, Script())
            if outcome.exit_code in (0, 10) and outcome.report and outcome.report.run_id is None:
                assert not outcome.sent
                self._judge.judge_rest(outcome, self._model)
                return
            if outcome.exit_code == REFUSED_BY_ALL:
                assert not outcome.sent
                self._judge.judge_refused_by_all(self._model)
                return
        raise AssertionError(f"not at rest after {QUIET_STARTS} quiet starts: {outcome}")

    def _end_pause(self) -> None:
        run = self._judge.unfinished()
        if run is not None and run.state == "paused":
            interfere("cancel", self._world, self._clock, self._model)

    def _at_odds(self) -> bool:
        """Say whether the unfinished run is to another model."""
        run = self._judge.unfinished()
        return run is not None and run.model != self._model
