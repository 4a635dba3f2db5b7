"""What a switch says at its end: the values of its JSON line and the words for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ai_memory.frozen import Frozen
from ai_memory.text.amounts import counted
from ai_memory.text.hints import GO_ON, QUARANTINE, REEMBED, SWITCH_BACK

if TYPE_CHECKING:
    from ai_memory.reembed.sweep.ending import Ending
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Run

IN_COLUMNS = "in columns beside the memories' own, which change places with these once all are moved"


class Switched(Frozen):
    """The result of one invocation; the fields are the keys of its JSON line.

    `switched`: it was this invocation that switched. `moved` vectors stand in their memories by now, `remaining` are
    still beside them; `exchanging`: the moved ones stand in columns that change places with the memories' own once all
    are moved; `stale` rows were edited since (None: nobody looked). `way_back`: `switch --back` is possible.
    """

    run_id: int
    state: str
    exit_code: int
    reason: str
    space: str
    dim: int
    switched: bool
    moved: int
    remaining: int
    stale: int | None
    duration_ms: int
    way_back: bool = True
    exchanging: bool = False
    error: str = ""
    next: str = ""

    def values(self) -> dict[str, object]:
        """Return the JSON object."""
        return asdict(self)

    @property
    def name(self) -> str:
        """What this was, in a few words."""
        return f"switch to run {self.run_id}"

    def lines(self) -> list[str]:
        """Return the words for people."""
        served = "is served now" if self.switched else "was switched to before"
        moved = counted(self.moved, "vector stands in its memory", "vectors stand in their memories")
        if self.exchanging:
            moved = f"{counted(self.moved, 'vector stands', 'vectors stand')} {IN_COLUMNS}"
        lines = [f"Run {self.run_id} {served}: {self.space}, {self.dim} wide. {moved}."]
        if self.remaining:
            left = counted(self.remaining, "vector stands beside its memory", "vectors stand beside their memories")
            lines.append(f"{left}: search finds them there; other programs do once they are moved: {GO_ON}")
        if self.exit_code == 10:
            lines.append(f"What its own database refuses keeps its vector, and is in quarantine: {QUARANTINE}")
        return [*lines, f"To serve what was served before: {SWITCH_BACK}"] if self.way_back else lines


def report(reader: Reader, run: Run, ending: Ending | None, *, switched: bool, seconds: float) -> Switched:
    """Return the report of one invocation; without an ending nothing was to be moved yet."""
    target, now = reader.targets.read(run.target), reader.runs.read(run.run_id)
    open_, census = now.state == "switched", ending.census if ending else None
    error, beside = ending.error if ending else None, reader.targets.staged.exchange()
    return Switched(
        run_id=run.run_id,
        state=now.state,
        exit_code=ending.exit_code if ending else 0,
        reason=ending.reason if ending else "switched",
        space=target.space,
        dim=target.dim,
        switched=switched,
        moved=now.counters.moved,
        remaining=reader.targets.staged.count() if open_ else 0,
        stale=census.stale if census else None,
        duration_ms=round(seconds * 1000),
        exchanging=beside is not None and beside.is_filled_by(run.run_id),
        way_back=now.keeps_previous or (open_ and not reader.runs.checkpoints(now)),
        error=error.line() if error else "",
        next=GO_ON if open_ else REEMBED if census and census.stale else "",
    )
