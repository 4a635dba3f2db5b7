"""`reembed switch`: which vectors are served, those of before a staged run or its own. It embeds only what changed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.commands.reembed.leave import take_leave
from ai_memory.commands.reembed.time_limit import stop_in_time
from ai_memory.reembed.events import to_all
from ai_memory.reembed.finish.back import Back, WentBack
from ai_memory.reembed.finish.switch import Switch
from ai_memory.reembed.inspect.report import RunReport
from ai_memory.reembed.stop import Stop, stop_on_signals
from ai_memory.reembed.tools import SweepTools
from ai_memory.show.narrator import Narrator
from ai_memory.show.progress import NoProgress, choose_progress
from ai_memory.stores.open_options import OpenOptions
from ai_memory.stores.opening import database

if TYPE_CHECKING:
    from collections.abc import Callable

    from ai_memory.config.settings import Settings
    from ai_memory.reembed.events import Observer
    from ai_memory.reembed.finish.rollback_report import RollbackReport
    from ai_memory.reembed.finish.switch_report import Switched
    from ai_memory.reembed.job import Job
    from ai_memory.show.console import Console


def run(
    args: argparse.Namespace,
    settings: Settings,
    console: Console,
    observe: Observer,
    *,
    job: Callable[[Stop], Job],
    farewell: Callable[[RunReport], int],
) -> int:
    """Switch, or switch back, and return the exit code; `observe` hears of it beside the progress.

    `job` makes that of a last pass, where one is needed; `farewell` shows how it ended, where that is all.
    """
    stop, clock = Stop(), SystemClock()
    progress = NoProgress(console.err) if console.quiet else choose_progress(console.err, clock, quiet=False)
    file = database(settings.db.value, OpenOptions(heed=stop.heed, tell=progress.note))
    tools = SweepTools(clock, stop, to_all(Narrator(progress), observe), max_lag=args.max_lag)
    back = getattr(args, "back", False)
    wait = not getattr(args, "no_wait", False)
    with stop_on_signals(stop, tell=not console.quiet), stop_in_time(args, stop):
        if back:
            return _show(Back(file, tools, wait=wait, max_rows=args.max_rows).run(), settings, console, farewell)
        accept = getattr(args, "accept_quarantined", False)
        switch = Switch(file, tools, lambda: job(stop), accept, wait=wait, max_rows=args.max_rows)
        return _show(switch.run(), settings, console, farewell)


def _show(
    report: Switched | RunReport | WentBack | RollbackReport,
    settings: Settings,
    console: Console,
    farewell: Callable[[RunReport], int],
) -> int:
    if isinstance(report, RunReport):
        return farewell(report)
    if isinstance(report, WentBack):
        console.result(report.values(), *report.lines())
        return report.exit_code
    return take_leave(report, settings, console)
