"""What a rollback says at its end: the values of its JSON line and the words for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.text.amounts import counted
from ai_memory.text.hints import GO_ON, REEMBED

if TYPE_CHECKING:
    from ai_memory.reembed.finish.undoable import Undoable
    from ai_memory.reembed.sweep.committer import Committer
    from ai_memory.reembed.sweep.ending import Ending

LEFT = (
    "row was edited since, or has another vector by now, and was left as it is.",
    "rows were edited since, or have another vector by now, and were left as they are.",
)
OTHERS = "row has a vector of {}.", "rows have vectors of {}."


class Told(Frozen):
    """What one invocation did: its committer (None: nothing was to do), rows left with the target's vectors, time."""

    committer: Committer | None = None
    left_with_target: int | None = None
    duration_ms: int = 0


class RollbackReport(Frozen):
    """The result of one invocation; the fields are the keys of its JSON line.

    `undoes` are the first and the last run that are undone. Of this invocation: rows `put_back`, and those
    `left_alone`, as they were edited since. `remaining` rows are still to be looked at. `with_target` rows have a
    vector of the undone runs' target at the end (None: it is not over): stored since, left alone, or there before.
    """

    run_id: int | None
    state: str
    exit_code: int
    reason: str
    undoes: tuple[int, int]
    target_space: str
    put_back: int
    left_alone: int
    remaining: int
    with_target: int | None
    resumed: bool
    duration_ms: int
    error: str = ""
    next: str = ""

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the words for people."""
        first, last = self.undoes
        runs = f"Run {last}" if first == last else f"Runs {first} to {last}"
        if self.run_id is None:
            are = "is" if first == last else "are"
            return [f"{runs} {are} undone already. To undo an earlier one, too: {REEMBED} rollback --run N"]
        state = "unfinished" if self.state == "running" else self.state
        back = counted(self.put_back, "row has", "rows have")
        lines = [
            f"Run {self.run_id}, the rollback of {runs.lower()}, is {state} ({self.reason}): {back} what was there."
        ]
        if self.left_alone:
            lines.append(counted(self.left_alone, *LEFT))
        if self.remaining:
            lines.append(f"{counted(self.remaining, 'row remains', 'rows remain')}.")
        if self.with_target:
            lines.append(counted(self.with_target, *(each.format(self.target_space) for each in OTHERS)))
        return lines

    @property
    def name(self) -> str:
        """What this was, in a few words."""
        return f"rollback of run {self.undoes[1]}"


def report(found: Undoable, ending: Ending | None, told: Told) -> RollbackReport:
    """Return the report of one invocation; without an ending the runs were undone already."""
    undoes, space = (found.undoes.first, found.undoes.last), found.target.space
    if ending is None or ending.run is None or told.committer is None:
        nothing = (None, "none", 0, "undone", undoes, space, 0, 0, 0, None)
        return RollbackReport(*nothing, resumed=False, duration_ms=told.duration_ms)
    run, done = ending.run, told.committer.counters
    return RollbackReport(
        run_id=run.run_id,
        state=run.state,
        exit_code=ending.exit_code,
        reason=ending.reason,
        undoes=undoes,
        target_space=space,
        put_back=done.put_back,
        left_alone=done.left_alone,
        remaining=run.counted.remaining if run.counted else 0,
        with_target=told.left_with_target,
        resumed=found.resumed,
        duration_ms=told.duration_ms,
        error=ending.error.line() if ending.error else "",
        next=GO_ON if run.state == "running" else "",
    )
