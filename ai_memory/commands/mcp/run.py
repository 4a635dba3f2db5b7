"""`mcp`: the server for agents, on stdin and stdout."""

from __future__ import annotations

import argparse
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ai_memory.show.libraries import require
from ai_memory.system import signals
from ai_memory.system.signals import SIGNAL_EXIT, SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console

INSTALL = 'Type: pip install "mcp>=2.0.0,<3"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no argument."""
    del parser


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Serve until stdin ends; what is missing of vectors is filled in beside it.

    Raises:
        UsageError: the library of the protocol is not installed, or cannot be loaded.
        EmbedderInitFailed: what is configured of `backfill_on_boot` makes no sense.
    """
    require("The server for agents", "mcp", INSTALL, "mcp")
    from ai_memory.commands.mcp import memory_tools, reembed_tools
    from ai_memory.commands.mcp.boot import Boot
    from ai_memory.commands.mcp.desk import Desk
    from ai_memory.commands.mcp.server import serve

    named = getattr(args, "config", None)
    desk = Desk(_gather(args, settings), settings, Path(named).absolute() if named else None)
    boot = Boot(desk.options(settings), desk.environ(settings), desk.tell_once)
    with _ended_at_once(boot.end):
        boot.begin(settings)
        try:
            serve([*memory_tools.TOOLS, *reembed_tools.TOOLS], desk, console)
        finally:
            boot.end()
    return 0


def _gather(args: argparse.Namespace, settings: Settings) -> Callable[[], Settings]:
    """Return what reads the settings anew."""
    from ai_memory.config.settings import Settings as Anew

    return lambda: Anew.gather(args, settings.environ, settings.decide)


@contextmanager
def _ended_at_once(before: Callable[[], None]) -> Iterator[None]:
    """Have SIGINT and SIGTERM end the process at once: whoever waits for a line on stdin cannot be waited for.

    What was being written is undone by whoever opens the file next, as after a kill.
    """
    listener = signals.current()

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        listener.heard()
        before()
        os._exit(SIGNAL_EXIT + number)

    usual = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
