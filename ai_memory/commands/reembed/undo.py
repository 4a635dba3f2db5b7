"""`reembed rollback` and `prune`: the way back, and its end. No embedder is needed, and none is built."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.commands.reembed.leave import take_leave
from ai_memory.commands.reembed.plan_lines import refused_line
from ai_memory.commands.reembed.time_limit import stop_in_time
from ai_memory.reembed.events import to_all
from ai_memory.reembed.finish.moving import PAGE_ROWS
from ai_memory.reembed.finish.prune import Prune
from ai_memory.reembed.finish.rollback import Rollback
from ai_memory.reembed.finish.undoable import Undoable, find_undoable, name_runs
from ai_memory.reembed.plan.refusal import held_up
from ai_memory.reembed.stop import Stop, stop_on_signals
from ai_memory.reembed.tools import SweepTools
from ai_memory.show.narrator import Narrator
from ai_memory.show.progress import NoProgress, choose_progress
from ai_memory.show.question import disclose, require_asked
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database
from ai_memory.text.amounts import counted
from ai_memory.text.times import instant

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.reembed.events import Observer
    from ai_memory.show.console import Console
    from ai_memory.stores.port import Database
    from ai_memory.stores.values import Room


def run_rollback(args: argparse.Namespace, settings: Settings, console: Console, observe: Observer) -> int:
    """Undo the latest run, or go on with that, and return the exit code; `observe` hears of it beside the progress."""
    stop, clock = Stop(), SystemClock()
    if args.dry_run:
        return _plan(database(settings.db.value, tell=console.note), console, _run_id(args))
    progress = NoProgress(console.err) if console.quiet else choose_progress(console.err, clock, quiet=False)
    job = Rollback(
        database(settings.db.value, OpenOptions(heed=stop.heed, tell=progress.note)),
        SweepTools(clock, stop, to_all(Narrator(progress), observe)),
        lambda found: disclose(_told(found), "Put back what was there?", console, ask=not args.yes, heed=stop.heed),
        batch=args.batch or PAGE_ROWS,
        max_rows=args.max_rows,
        run_id=_run_id(args),
    )
    with stop_on_signals(stop, tell=not console.quiet), stop_in_time(args, stop):
        report = job.run()
    return take_leave(report, settings, console)


def run_prune(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Drop what was kept and return the exit code."""
    stop = Stop()

    def tell(room: Room) -> None:
        if not args.yes:
            require_asked("what is dropped cannot be had again", console)
        told = [f"What is kept of {counted(room.rows, 'row')} will be dropped: no rollback is possible then."]
        disclose(told, "Drop it?", console, ask=not args.yes, heed=stop.heed)

    file = database(settings.db.value, OpenOptions(heed=stop.heed, tell=console.note))
    tools = SweepTools(SystemClock(), stop, lambda _: None)
    with stop_on_signals(stop, tell=not console.quiet):
        done = Prune(file, tools, tell, vacuum=args.vacuum).run()
    console.result(done.values(), *done.lines())
    return 0


def _run_id(args: argparse.Namespace) -> int | None:
    # Not where --resume goes on with it.
    found: int | None = getattr(args, "since", None)
    return found


def _plan(file: Database, console: Console, run_id: int | None) -> int:
    """Show what would be undone; the database is opened read-only."""
    with file.read() as store:
        found = find_undoable(store, run_id)
        refusal = None if found.done else held_up(file, store, now_ms=SystemClock().now_ms())
    rows = found.to_do(found.rollback) if found.rollback else found.kept.rows
    values = {
        "dry_run": True,
        "undoes": [found.undoes.first, found.undoes.last],
        "rows": 0 if found.done else rows,
        "kept_bytes": found.kept.on_disk,
        "refused_with": refusal.exit_code if refusal else None,
        "refusal": refusal.line() if refusal else None,
    }
    console.result(values, *_told(found), "Nothing was changed.", *filter(None, [refused_line(refusal)]))
    return 0


def _told(found: Undoable) -> list[str]:
    runs = name_runs(found.undoes)
    kept = counted(found.kept.rows, "vector that was replaced", "vectors that were replaced")
    if found.done:
        return [f"{runs.capitalize()}: undone already."]
    if run := found.rollback:
        left = counted(found.to_do(run), "row is left", "rows are left")
        return [f"Run {run.run_id}, the rollback of {runs}, is unfinished: it will be finished, {left}."]
    begun = instant(found.last.started_at)
    lines = [f"{runs.capitalize()} (to {found.target.space}, begun {begun}) will be undone: {kept}."]
    if found.gives_up:
        lines.append(f"Run {found.last.run_id} is unfinished; it is cancelled first.")
    return lines
