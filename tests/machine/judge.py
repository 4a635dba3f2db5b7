"""Holds a world against the promises: after every rule, after every invocation, and at rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ai_memory.reembed.finish.rollback_report import RollbackReport
from ai_memory.reembed.options import Options
from tests.machine.invocation import Outcome
from tests.machine.world import World
from tests.support import promises, sometimes
from tests.support.promises import Model, Scope
from tests.support.sometimes import Sometimes
from tests.support.strategies import stored

UNFINISHED = """
    SELECT run_id, target, state, pass, raced FROM reembed_run WHERE state IN ('running', 'paused')
"""
BREAKER = "SELECT run_id, breaker_until FROM reembed_run WHERE state = 'running' AND breaker_state = 'open'"
IN_FLIGHT = "SELECT in_flight_limit, raced FROM reembed_run WHERE state IN ('running', 'paused')"
ENDED = """
    SELECT run_id, target, scope_json, state, pass, fence, finished_at, census_at, reembedded, raced, quarantined,
           breaker_state, breaker_until
    FROM reembed_run WHERE state NOT IN ('running', 'paused')
"""
SPENT = "SELECT run_id, texts_sent FROM reembed_run"
"""A runner that lost its run tells what it spent until then."""
PASSED = """
    SELECT m.rowid FROM memories AS m JOIN reembed_checkpoint AS c ON c.namespace = m.namespace
    WHERE c.run_id = ? AND c.pass = ? AND typeof(m.id) = 'text' AND (c.eof = 1 OR m.id <= c.cursor_id)
"""
PASSED_IN_LIST = """
    SELECT m.rowid FROM memories AS m JOIN reembed_hot AS h ON h.memory_id = m.id
    JOIN reembed_hot_list AS l ON l.run_id = h.run_id
    WHERE l.run_id = ? AND l.pass = ? AND typeof(m.id) = 'text' AND h.place <= l.passed
"""
OURS = (
    "SELECT CAST(memory_id AS BLOB), fingerprint_id, src, head, origin FROM embedding_provenance ORDER BY 1",
    "SELECT target, CAST(memory_id AS BLOB), src, kind, attempts FROM reembed_quarantine ORDER BY 1, 2",
    "SELECT run_id, CAST(namespace AS BLOB), CAST(cursor_id AS BLOB), pass, eof FROM reembed_checkpoint ORDER BY 1, 2",
    "SELECT run_id, pass, passed FROM reembed_hot_list ORDER BY 1",
    "SELECT run_id, place, CAST(memory_id AS BLOB) FROM reembed_hot ORDER BY 1, 2",
)
"""What a refused start must leave alone."""
WRITTEN = (
    *OURS,
    "SELECT rowid, embedding, embedding_dim FROM memories ORDER BY 1",
    "SELECT run_id, state, pass, fence, reembedded, breaker_state, breaker_until FROM reembed_run ORDER BY 1",
    "SELECT run_id, at, kind, detail_json FROM reembed_event WHERE kind <> 'ended' ORDER BY rowid",
)
"""What a runner must leave alone that lost its run: all but what its requests cost, and how its start ended."""


def vectors_of(view: promises.View) -> dict[int, tuple[object, ...]]:
    """Return of each row its vector with its stamp and its record."""
    return {number: (*row.stored, view.provenance_of(row)) for number, row in view.rows.items()}


Tables = list[list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class RunRow:
    run_id: int
    model: Model
    target: int
    state: str
    pass_number: int
    raced: int


@dataclass(frozen=True, slots=True)
class Before:
    """What stood in a file before the invocation that began a run, and when: vectors with their records, by row."""

    tick: int
    rows: dict[int, tuple[object, ...]]


class Judge:
    """Remembers of one world what must not change, and asserts the promises."""

    def __init__(self, world: World, met: Sometimes) -> None:
        self._world, self._met = world, met
        self._ended: dict[object, tuple[object, ...]] = {}
        self._spent: dict[int, int] = {}
        self._pass: tuple[int, int] | None = None
        self._outages: set[tuple[int, int]] = set()
        self._lost: dict[tuple[int, int], set[str]] = {}
        self._frozen: Tables | None = None
        self._ours: Tables = []
        self._events = 0
        self._breaker: tuple[int, int] | None = None
        self._undone = False
        self._before_run: dict[int, Before] = {}

    def before(self, options: Options) -> None:
        """Take note of what stands before an invocation."""
        self._world.tick += 1
        self._frozen, self._world.frozen = None, False
        self._ours = self._tables(OURS)
        self._breaker = next(iter(self._rows(BREAKER)), None)
        self._begun_from = Before(self._world.tick, vectors_of(self._world.view()))
        if options.retry_quarantined:
            for row in self._world.view().rows:
                self._world.disturbed[row] = self._world.tick

    def freeze(self) -> None:
        """From here to the end of the invocation its runner must write nothing, nor anybody else."""
        self._frozen, self._world.frozen = self._tables(WRITTEN), True

    def judge_file(self) -> None:
        """Assert what must be true at any instant."""
        view = self._world.view()
        assert promises.wrong_vectors(view, self._world.left, self._world.stood if self._undone else {}) == []
        assert promises.false_quarantines(view) == []
        assert self._world.file.other_columns() == self._world.shadow.other_columns()
        self._judge_ended_runs()
        self._judge_cursors(view)

    def note_runs(self) -> None:
        """Take note of what stood there before the runs that the last invocation began."""
        for (run_id,) in self._rows("SELECT run_id FROM reembed_run WHERE undoes_first IS NULL"):
            self._before_run.setdefault(run_id, self._begun_from)

    def before_rollback(self) -> None:
        """Take note that vectors of before may come back."""
        self._world.tick += 1
        self._undone = True

    def judge_rollback(self, report: RollbackReport) -> None:
        """Assert that each row that nobody changed since the first of the undone runs began has what it had."""
        self._met.happened(sometimes.PUT_BACK, report.put_back)
        if report.run_id is None or report.state != "done":
            return
        before, now = self._before_run[report.undoes[0]], vectors_of(self._world.view())
        for number, found in now.items():
            if number in before.rows and self._world.last_change.get(number, 0) < before.tick:
                assert found == before.rows[number], f"row {number} was not put back"

    def judge_outcome(self, outcome: Outcome, options: Options, model: Model, *, now_ms: int) -> None:
        """Assert that an invocation begun at `now_ms` told the truth, and did nothing it might not."""
        self._count(outcome)
        self.note_runs()
        if self._frozen is not None:
            assert self._tables(WRITTEN) == self._frozen
            assert outcome.exit_code not in (0, 10)
            self._met.happened(sometimes.REFUSED_COMMIT)
        self._frozen, self._world.frozen = None, False
        if run := self.unfinished():
            of_pass = (run.run_id, run.pass_number)
            if outcome.faults & {"outage", "short outage"}:
                # A text that is refused, and whose last attempt an outage ends, is not known to be bad: a later pass
                # tells.
                self._outages.add(of_pass)
            # What is not answered, though others are, is left for a later pass as well, and holds nobody up.
            self._lost.setdefault(of_pass, set()).update(outcome.lost)
        if outcome.refusal:
            assert self._tables(OURS) == self._ours
        if outcome.exit_code in (0, 10):
            self._judge_done(outcome, options, model)
        elif outcome.report:
            # A run is reported as it is left: somebody who took it over may have finished it.
            rows_outside = outcome.report.reason == "rows outside"
            assert outcome.report.state != "done" or "usurp" in outcome.faults or rows_outside
            assert not rows_outside or promises.census(self._world.view(), model, None).stale or self._world.touched
        if outcome.report and self._breaker and outcome.report.run_id == self._breaker[0]:
            assert self._breaker[1] <= now_ms or not outcome.calls
        if outcome.killed:
            self._judge_lost_work(outcome)

    def judge_rest(self, outcome: Outcome, model: Model) -> None:
        """Assert what must be true when nobody has anything left to do."""
        found = promises.census(self._world.view(), model, None)
        assert not found.stale
        assert (outcome.exit_code == 10) == bool(found.quarantined or found.without_id)
        self._world.file.require_sound()

    def judge_refused_by_all(self, model: Model) -> None:
        """Assert what must be true where the database is said to take no vector at all."""
        view = self._world.view()
        found = promises.census(view, model, None)
        assert not found.right
        assert any(view.rows[number].held for number in found.stale)
        assert all(view.rows[number].held or view.rows[number].unfit not in (None, "refused") for number in found.stale)

    def undoing(self) -> bool:
        """Say whether the unfinished run is a rollback."""
        return bool(self._rows("SELECT 1 FROM reembed_run WHERE state IN ('running', 'paused') AND undoes_first > 0"))

    def unfinished(self) -> RunRow | None:
        """Return the run that is unfinished."""
        found = self._rows(UNFINISHED)
        if not found:
            return None
        run_id, target, *rest = found[0]
        return RunRow(run_id, self._world.view().models[target], target, *rest)

    def _judge_done(self, outcome: Outcome, options: Options, model: Model) -> None:
        """Assert that an exit of 0 or 10 is true of all rows that nobody touched since its census."""
        touched = self._world.touched
        if outcome.report and outcome.report.outside is not None and not self._of_file(options):
            # It looked once more, at other namespaces: what it says of its own is of the census before.
            touched = touched | self._world.touched_before
        found = promises.census(self._world.view(), model, self._scope(outcome, options))
        assert found.stale <= touched
        if outcome.exit_code == 0:
            assert found.quarantined | found.without_id <= touched
        else:
            assert found.quarantined or found.without_id or touched
        assert outcome.report
        assert outcome.report.state == ("none" if outcome.report.run_id is None else "done")

    def _judge_lost_work(self, outcome: Outcome) -> None:
        """Assert that a kill cost no more texts than the run row says were in flight."""
        run = self.unfinished()
        if run is None or outcome.faults - {"die"}:
            return
        view, (limit, raced) = self._world.view(), self._rows(IN_FLIGHT)[0]
        known = {each.src for each in view.provenance.values()} | {src for src, _ in view.quarantine.values()}
        lost = {text for text in outcome.sent if promises.source(text) not in known}
        assert len(lost) <= limit + raced

    def _scope(self, outcome: Outcome, options: Options) -> Scope:
        names = options.scope
        if outcome.report and outcome.report.run_id is not None and not self._of_file(options):
            recorded = self._rows(f"SELECT scope_json FROM reembed_run WHERE run_id = {outcome.report.run_id}")
            names = json.loads(recorded[0][0])
        return None if names is None else tuple(stored(name) for name in names)

    @staticmethod
    def _of_file(options: Options) -> bool:
        """Say whether a start asks of the whole file: it may begin a run, and names no namespace."""
        return options.or_start and options.scope is None

    def _judge_ended_runs(self) -> None:
        for row in self._rows(ENDED):
            assert self._ended.setdefault(row[0], row) == row
        for run_id, texts in self._rows(SPENT):
            assert texts >= self._spent.get(run_id, 0)
            self._spent[run_id] = texts

    def _judge_cursors(self, view: promises.View) -> None:
        """Assert that no cursor has passed a row that is neither fresh nor in quarantine, but for later changes."""
        run = self.unfinished()
        if run is None or self.undoing():
            return
        if self._pass != (run.run_id, run.pass_number):
            self._pass = run.run_id, run.pass_number
            kept = {row: tick for row, tick in self._world.disturbed.items() if tick >= self._world.tick}
            self._world.disturbed = kept
        of_pass = (run.run_id, run.pass_number)
        passed = [*self._world.file.execute(PASSED_IN_LIST, of_pass), *self._world.file.execute(PASSED, of_pass)]
        for (number,) in passed:
            row = view.rows[number]
            waits = self._waits_for_twin(row, run) or (row.unfit == "refused" and of_pass in self._outages)
            waits |= row.text in self._lost.get(of_pass, ())
            if row.live and number not in self._world.disturbed and not waits:
                assert view.is_fresh(row, run.target) or view.is_quarantined(row, run.target)

    def _waits_for_twin(self, row: promises.Row, run: RunRow) -> bool:
        """Say whether a row may be counted as raced because another one with its text was edited or refused."""
        return bool(run.raced) and len(self._world.bearers.get(row.text or "", ())) > 1

    def _count(self, outcome: Outcome) -> None:
        events = [row[0] for row in self._rows("SELECT kind FROM reembed_event ORDER BY rowid")]
        new, self._events = events[self._events :], len(events)
        self._met.happened(sometimes.TAKE_OVER, new.count("taken over"))
        self._met.happened(sometimes.OPEN_BREAKER, new.count("breaker open"))
        self._met.happened(sometimes.SECOND_PASS, new.count("pass"))
        self._met.happened(sometimes.RETRY_AFTER, "waited" in outcome.faults)
        self._met.happened(sometimes.LOST_RACE, outcome.report.raced if outcome.report else 0)
        self._met.happened(sometimes.TAKEN_AGAIN, outcome.report.taken_again if outcome.report else 0)

    def _tables(self, selects: tuple[str, ...]) -> Tables:
        return [self._rows(select) for select in selects]

    def _rows(self, select: str) -> list[tuple[Any, ...]]:
        # Of our tables the last one that is made: a kill may have left only the first ones.
        return self._world.file.execute(select) if self._world.file.has_table("reembed_hot") else []
