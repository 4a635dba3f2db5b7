"""What `switch` would switch to, and why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_memory.errors import OperatorNeeded
from ai_memory.text.amounts import counted
from ai_memory.text.hints import GO_ON, SWITCH_WITHOUT

if TYPE_CHECKING:
    from ai_memory.stores.port import Reader
    from ai_memory.stores.values import Run

BEGIN_ONE = "Begin one: ai-memory reembed --staged"


def find_switchable(store: Reader) -> Run:
    """Return the run that is ready or switched.

    Raises:
        OperatorNeeded: there is none.
    """
    run = store.runs.unfinished()
    if run is None:
        raise OperatorNeeded("There is no staged run to switch to.", tip=BEGIN_ONE)
    if run.undoes or not run.staged:
        kind = "a rollback" if run.undoes else "a run that replaces vectors in place"
        raise OperatorNeeded(f"Run {run.run_id}, {kind}, is unfinished; there is nothing to switch to.", tip=GO_ON)
    if run.state not in ("ready", "switched"):
        left = f": {counted(run.counted.remaining, 'row remains', 'rows remain')}" if run.counted else ""
        raise OperatorNeeded(f"Run {run.run_id} is not ready{left}.", tip=f"Finish it first: {GO_ON}")
    return run


def require_whole(store: Reader, run: Run, *, accept: bool) -> None:
    """Check that no row of a run is in quarantine, unless that is accepted.

    Raises:
        OperatorNeeded: rows are.
    """
    rows = store.runs.read(run.run_id).counted
    if rows and rows.in_quarantine and not accept:
        aside = counted(rows.in_quarantine, "row is", "rows are")
        raise OperatorNeeded(
            f"{aside} in quarantine: once run {run.run_id} is switched to, they are found by their words only.",
            tip=SWITCH_WITHOUT,
        )
