"""`uninstall-tables`: takes our tables out of a file of the Rust program, which then is as if we had never kept any."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.errors import DataRefused, OperatorNeeded
from ai_memory.reembed.heartbeat import require_no_pause
from ai_memory.reembed.holding import holding
from ai_memory.reembed.stop import Stop, stop_on_signals
from ai_memory.show.question import disclose, require_asked
from ai_memory.stores.holder import Task
from ai_memory.stores.opening import database, reading, writing

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.stores.memory_port import Library

LOST = (
    "which vectors are of which model and text, the way back of each run, what is in quarantine and why, "
    "the history, approvals and pauses"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the answer to the question."""
    parser.add_argument("--yes", action="store_true", help="drop them without asking")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Drop our tables; the memories, their vectors and all that the Rust program keeps stay.

    Raises:
        DataRefused: this program made the file.
        UsageError: nobody is there to be asked, and --yes is not given; or the answer is no.
        OperatorNeeded: a run is unfinished, the file is paused, or vectors are served that stand in our tables alone.
        RunHeld: a run is at work.
    """
    path, stop, now_ms = settings.db.value, Stop(), SystemClock().now_ms()
    # First read-only: writing brings our tables into a file that has none.
    with reading(path) as library:
        found = _droppable(library, now_ms=now_ms)
    if not found:
        console.result({"dropped": []}, "There are no tables of ours in it.")
        return 0
    if not args.yes:
        require_asked("what is dropped cannot be had again", console)
    with stop_on_signals(stop, tell=not console.quiet):
        told = [f"{len(found)} tables of ours will be dropped: {LOST}. The memories and their vectors stay."]
        disclose(told, "Drop them?", console, ask=not args.yes, heed=stop.heed)
        held = holding(database(path, tell=console.note), now_ms=now_ms, task=Task.UNINSTALL)
        with held, writing(path, now_ms=now_ms, tell=console.note) as library, library.transaction() as transaction:
            _droppable(transaction.library, now_ms=now_ms)
            dropped = transaction.drop_own_tables()
    left = database(path).lock().file
    words = f"Dropped {len(dropped)} tables." + (f" The file {left} may be deleted." if left else "")
    console.result({"dropped": dropped}, words)
    return 0


def _droppable(library: Library, *, now_ms: int) -> list[str]:
    """Return our tables, where they may be dropped as things are."""
    if not library.about.rust:
        what = f"{library.store.name} was made by this program: its tables are a part of it."
        raise DataRefused(what, tip="Name a file of the Rust program with --db PATH.")
    if active := library.store.targets.staged.active():
        what = f"The vectors of run {active.run_id} are served, and stand in our tables alone."
        raise OperatorNeeded(
            what, tip="Move them to the memories: ai-memory reembed --resume; or: ai-memory reembed switch --back"
        )
    if (run_id := library.store.runs.unfinished_id()) is not None:
        what = f"Run {run_id} is unfinished."
        raise OperatorNeeded(what, tip="Finish it: ai-memory reembed --resume; give it up: ai-memory reembed cancel")
    require_no_pause(library.store, now_ms=now_ms)
    return library.about.own_tables()
