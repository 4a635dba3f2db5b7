"""`copy`: the memories of one database into another one, with their vectors; from a file to a server, and back."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.actions import copy_plan
from ai_memory.actions.copy_memories import COPYING, CopyMemories
from ai_memory.clock import SystemClock
from ai_memory.commands import copy_report
from ai_memory.commands.arguments import named_database
from ai_memory.errors import Stopped, UsageError
from ai_memory.frozen import Frozen
from ai_memory.reembed.holding import holding
from ai_memory.reembed.stop import Stop, stop_on_signals
from ai_memory.show.progress import choose_progress
from ai_memory.stores.holder import Task
from ai_memory.stores.opening import database, place, reading, writing
from ai_memory.text.database_address import DatabaseAddress, secrets_in

if TYPE_CHECKING:
    from ai_memory.actions.copy_plan import StaysBehind, Stock
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.show.progress import Progress
    from ai_memory.stores.memory_port import Library


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add both databases, and the plan alone."""
    where = "a database file, or postgresql://…"
    parser.add_argument("source", type=named_database, metavar="SOURCE", help=f"what is copied, and only read: {where}")
    into = "without memories, or not there yet, or a copy of SOURCE that is not finished: then it goes on"
    parser.add_argument("target", type=named_database, metavar="TARGET", help=f"{into}; {where}")
    parser.add_argument("--dry-run", action="store_true", help="say what would be copied, and what not; write nothing")


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Copy what is not there yet, and compare both databases; 0: nothing differs.

    Raises:
        UsageError: both are one database.
        DataRefused: the target has memories of its own, or cannot hold what the source has.
        OperatorNeeded: a run is unfinished, or a pause stands on the target.
        RunHeld: a run is at work on the target.
        Stopped: a signal came; what was copied by then is kept.
    """
    del settings
    args.console = console = _hiding(console, args.source, args.target)
    job = _Job(args.source, args.target, console, SystemClock())
    _require_two(job.source, job.target)
    with reading(job.source, tell=console.note) as source:
        copy_plan.require_source(source, now_ms=job.clock.now_ms())
        stock = copy_plan.stock_of(source)
        is_new = place(job.target).is_new()
        stays, goes_on = job.checked_target(source, stock, is_new=is_new)
        if args.dry_run:
            copy_report.plan(stock, stays, job.source, job.target, console, goes_on=goes_on)
            return 0
        return job.copy(source, stock, stays, is_new=is_new)


class _Job(Frozen):
    """One invocation."""

    source: Path
    target: Path
    console: Console
    clock: SystemClock

    def checked_target(self, source: Library, stock: Stock, *, is_new: bool) -> tuple[StaysBehind, bool]:
        """Return what is not taken along, and whether the target is an unfinished copy; nothing is written."""
        if is_new:
            return copy_plan.stays_behind(source, None, stock), False
        with reading(self.target, tell=self.console.note) as target:
            goes_on = self._goes_on(source, stock, target)
            return copy_plan.stays_behind(source, target, stock), goes_on

    def copy(self, source: Library, stock: Stock, stays: StaysBehind, *, is_new: bool) -> int:
        """Copy, show what became of it, and return the exit code."""
        clock, tell, stop = self.clock, self.console.note, Stop()
        with stop_on_signals(stop, tell=not self.console.quiet):
            if is_new:
                # Only then it is known what it has no place for.
                with writing(self.target, now_ms=clock.now_ms(), create=True, tell=tell) as made:
                    stays = copy_plan.stays_behind(source, made, stock)
            held = holding(database(self.target, tell=tell), now_ms=clock.now_ms(), task=Task.COPY)
            with held, writing(self.target, now_ms=clock.now_ms(), tell=tell) as target:
                goes_on = self._goes_on(source, stock, target)
                for line in copy_plan.told(stock, stays, str(self.source), str(self.target)):
                    tell(line)
                with self._shown(stock, stop) as passed:
                    work = CopyMemories(source, target, known_as(self.source), stock.targets, clock.now_ms(), passed)
                    done = work.run(goes_on=goes_on)
        return copy_report.result(done, stock, stays, self.source, self.target, self.console)

    def _goes_on(self, source: Library, stock: Stock, target: Library) -> bool:
        goes_on = copy_plan.is_unfinished_copy(target, of=known_as(self.source), now_ms=self.clock.now_ms())
        copy_plan.require_room(stock, source, target)
        return goes_on

    @contextmanager
    def _shown(self, stock: Stock, stop: Stop) -> Iterator[_Passed]:
        progress = choose_progress(self.console.err, self.clock, quiet=self.console.quiet)
        try:
            yield _Passed(progress, stock.memories, stop)
        finally:
            progress.end()


@dataclass(slots=True)
class _Passed:
    """Shows how far each part of the work has come, and heeds a stop."""

    progress: Progress
    total: int
    stop: Stop
    part: str = ""

    def __call__(self, part: str, rows: int) -> None:
        """Hear that so many memories more are done.

        Raises:
            Stopped: somebody asked for that.
        """
        if part != self.part:
            self.progress.begin(total=self.total, label=part)
            self.part = part
        self.progress.advance(rows)
        if self.stop.requested():
            kept = "what was copied by then is kept" if part == COPYING else "all is copied, and not compared"
            raise Stopped(
                f"Ended by {self.stop.reason}; {kept}.",
                exit_code=self.stop.exit_code,
                tip="To go on, run the same command again.",
            )


def known_as(path: Path) -> str:
    """Return the name of a source that is the same from every folder, without a password."""
    return str(path) if isinstance(path, DatabaseAddress) else str(path.resolve())


def _require_two(source: Path, target: Path) -> None:
    if known_as(source) == known_as(target):
        raise UsageError(f"{source} is {target} itself.", tip="Name another database as TARGET.")


def _hiding(console: Console, *paths: Path) -> Console:
    """Return a console that shows no password of these addresses: they stand in no setting."""
    known = console.keys
    passwords = {each for path in paths if isinstance(path, DatabaseAddress) for each in secrets_in(path.address)}
    return replace(console, keys=lambda: (*known(), *sorted(passwords)))
