"""What `rollback` would undo, and why it cannot."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ai_memory.errors import NotFinished, OperatorNeeded, UsageError
from ai_memory.frozen import Frozen
from ai_memory.stores.values import Room, Run, Span
from ai_memory.text.hints import GO_ON, REEMBED, SWITCH_BACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_memory.stores.port import Reader
    from ai_memory.vectors.target import Fingerprint

ROLLBACK = f"{REEMBED} rollback"
RESTORE = f"Restore a backup: ai-memory restore FILE; or configure the embedder of before run {{}}, then: {REEMBED}"


class Undoable(Frozen):
    """The runs that a rollback undoes, with the `first` and the `last` of them, and what is kept of all.

    `rollback` is the unfinished one to go on with (None: it is begun). `done`: they are undone already.
    """

    undoes: Span
    first: Run
    last: Run
    target: Fingerprint
    kept: Room
    rollback: Run | None = None

    @property
    def resumed(self) -> bool:
        """Whether a rollback is gone on with."""
        return self.rollback is not None

    @property
    def done(self) -> bool:
        """Whether the runs are undone already."""
        return self.rollback is None and self.first.undone_by is not None and self.last.undone_by is not None

    @property
    def gives_up(self) -> bool:
        """Whether the latest run is unfinished, and is given up first."""
        return self.last.finished_at is None

    def to_do(self, run: Run) -> int:
        """Return how many rows a rollback still has to look at."""
        return run.counted.remaining if self.rollback and run.counted else self.kept.rows


def find_undoable(store: Reader, run_id: int | None = None) -> Undoable:
    """Return what a rollback has to undo, or what it undid last; with a `run_id` that run and all after it.

    Raises:
        OperatorNeeded: no run was begun, nothing is kept, or another rollback is unfinished.
        UsageError: there is no run of that number that could be undone.
    """
    unfinished = store.runs.unfinished()
    rollback = unfinished if unfinished and unfinished.undoes else None
    undoes = rollback.undoes if rollback else store.targets.previous.to_undo()
    if undoes is None:
        raise OperatorNeeded("There is no run to undo.", tip="See ai-memory reembed status")
    if run_id is not None:
        undoes = _since(store, undoes, run_id, rollback)
    first, last = store.runs.read(undoes.first), store.runs.read(undoes.last)
    kept = sum((room for run_id, room in store.targets.previous.kept() if run_id in undoes.numbers), Room())
    found = Undoable(undoes, first, last, store.targets.read(last.target), kept, rollback)
    if found.done or found.resumed:
        return found
    if first.undone_by is not None:
        what = f"Run {first.run_id} is undone already, and run {last.run_id} is not."
        raise OperatorNeeded(what, tip=f"To undo that one: {ROLLBACK}")
    beside = store.targets.staged.exchange()
    if beside and beside.done and beside.run_id in undoes.numbers:
        what = f"What run {beside.run_id} replaced is of another width, and stands in columns of its own."
        raise OperatorNeeded(what, tip=f"To go back to it: {SWITCH_BACK}")
    lost = store.targets.previous.lost(undoes)
    if lost and not _stands_beside(found):
        raise _lost(store, found, lost)
    if not kept.rows:
        raise _nothing_kept(store, found)
    return found


def _since(store: Reader, undoes: Span, run_id: int, rollback: Run | None) -> Span:
    """Return the runs from that one to the last."""
    if rollback:
        if undoes.first != run_id:
            what = f"Run {rollback.run_id}, the rollback of {name_runs(undoes)}, is unfinished."
            raise OperatorNeeded(what, tip=f"Finish it: {GO_ON}")
        return undoes
    with suppress(NotFinished):
        if run_id <= undoes.last and not store.runs.read(run_id).undoes:
            return Span(run_id, undoes.last)
    raise UsageError(f"There is no run {run_id} that could be undone.", tip="See ai-memory reembed status")


def name_runs(undoes: Span) -> str:
    """Return the words for the runs that are undone."""
    if undoes.first == undoes.last:
        return f"run {undoes.last}"
    return f"runs {undoes.first} to {undoes.last}"


def _stands_beside(found: Undoable) -> bool:
    """Return whether nothing is kept as the run's vectors still stand beside the memories."""
    return found.gives_up and found.last.staged and not found.kept.rows


def _nothing_kept(store: Reader, found: Undoable) -> OperatorNeeded:
    if _stands_beside(found):
        served = found.last.state == "switched"
        tip = f"To serve what was served before: {SWITCH_BACK}" if served else f"To give it up: {REEMBED} cancel"
        return OperatorNeeded(f"Run {found.last.run_id} has replaced nothing yet: its vectors stand beside.", tip=tip)
    before = any(run_id < found.undoes.first for run_id, _ in store.targets.previous.kept())
    undo = f"To undo the run before it: {REEMBED} cancel; then: {ROLLBACK}"
    return OperatorNeeded(
        f"There is nothing to undo: {name_runs(found.undoes)} replaced nothing.",
        tip=undo if before else f"To give it up: {REEMBED} cancel",
    )


def _lost(store: Reader, found: Undoable, lost: Sequence[int]) -> OperatorNeeded:
    """Return the error of runs of which some are `lost`: it names the last of these, and what can still be undone."""
    run = store.runs.read(lost[-1])
    why = "was pruned" if run.keeps_previous else "was not kept (--no-undo)"
    after = run.run_id < found.last.run_id and found.last.undone_by is None
    tip = f"To undo the latest run alone: {ROLLBACK}" if after else RESTORE.format(run.run_id)
    return OperatorNeeded(f"What run {run.run_id} replaced {why}.", tip=tip)
