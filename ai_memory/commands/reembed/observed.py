"""A start and those who hear of it beside the person at the terminal: log, metrics, the command of `--on-end`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.errors import AiMemoryError
from ai_memory.reembed.events import Observer, StartEnded, to_all
from ai_memory.show.streams import EXIT_READER_GONE
from ai_memory.stores.open_options import OpenOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console
    from ai_memory.show.log import EventLog, Values
    from ai_memory.show.metrics import Figures, MetricsFile

BRIEFLY = OpenOptions(busy_timeout_ms=500)
"""What is only told waits for nobody."""
REFUSED = "refused"
"""The reason of a start that ended before it took a run."""


def observed(args: argparse.Namespace, settings: Settings, console: Console, start: Callable[[Observer], int]) -> int:
    """Return the exit code of `start`, which tells the observer it is given; all of them hear how it ended.

    Raises:
        UsageError: an observer that was asked for cannot be had.
        AiMemoryError: what `start` raises.
    """
    unwritten: list[str] = []
    observe = to_all(*_observers(args, settings, console, unwritten.append if console.quiet else console.warn))

    def tell(exit_code: int, reason: object, values: Mapping[str, object]) -> None:
        observe(StartEnded(exit_code, str(reason)))
        if args.on_end:
            from ai_memory.commands.reembed.on_end import tell_end

            tell_end(args.on_end, console, {**values, "exit_code": exit_code})

    def tell_shown(exit_code: int) -> None:
        shown = console.shown.values
        tell(exit_code, shown.get("reason", REFUSED), shown)

    try:
        exit_code = start(observe)
    except AiMemoryError as error:
        tell(error.exit_code, error.reason, {"error": error.line()})
        raise
    except BrokenPipeError:
        tell_shown(EXIT_READER_GONE)
        raise
    tell_shown(exit_code)
    # With --quiet a start says one thing: that of a log is said again by the next one.
    if unwritten and not console.shown.said:
        console.warn(" ".join(unwritten))
    return exit_code


def _observers(
    args: argparse.Namespace, settings: Settings, console: Console, warn: Callable[[str], None]
) -> list[Observer]:
    if not (args.log_file or args.metrics_file):
        return []
    from ai_memory.commands.reembed.told_files import require_told_files

    require_told_files(args, settings)
    found: list[Observer] = [_log(args, settings, console, warn)] if args.log_file else []
    return [*found, _metrics(args, settings, warn)] if args.metrics_file else found


def _log(args: argparse.Namespace, settings: Settings, console: Console, warn: Callable[[str], None]) -> EventLog:
    import os

    from ai_memory.clock import SystemClock
    from ai_memory.show.console import masked
    from ai_memory.show.log import FORMATS, EventLog, LogFile
    from ai_memory.text.masking import Mask

    path: Path = args.log_file
    write = console.err.line if str(path) == "-" else LogFile(path, warn)
    common = {"database": str(settings.db.value.absolute()), "pid": os.getpid()}
    form = FORMATS[args.log_format or "text"]

    def line(values: Values) -> str:
        mask = Mask(console.keys())
        return form({name: masked(value, mask) for name, value in values.items()})

    return EventLog(write, line, common, SystemClock())


def _metrics(args: argparse.Namespace, settings: Settings, warn: Callable[[str], None]) -> MetricsFile:
    from ai_memory.clock import SystemClock
    from ai_memory.commands.reembed.wanted import wanted_if_usable
    from ai_memory.reembed.inspect.read_status import read_status
    from ai_memory.show.metrics import Figures, MetricsFile, require_installed
    from ai_memory.stores.opening import database

    require_installed()
    path, clock = settings.db.value, SystemClock()
    file, wanted = database(path, BRIEFLY), wanted_if_usable(settings)

    def read() -> Figures | None:
        with file.read() as store:
            status = read_status(file, store, now_ms=clock.now_ms(), wanted=wanted)
            return Figures(status, store.quarantine.by_kind(status.target.id)) if status else None

    return MetricsFile(args.metrics_file, str(path.absolute()), read, clock, warn)
