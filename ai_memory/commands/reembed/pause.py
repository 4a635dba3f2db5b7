"""`reembed pause` and `unpause`: whether runs may work on the file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ai_memory.clock import SystemClock
from ai_memory.errors import UsageError
from ai_memory.stores.opening import database
from ai_memory.stores.values import Pause
from ai_memory.system.person import who
from ai_memory.text.cleaning import one_line
from ai_memory.text.times import instant, on_the_wall, timestamp

if TYPE_CHECKING:
    from ai_memory.config.settings import Settings
    from ai_memory.show.console import Console


def run_pause(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Pause the file: a run that works on it ends within a batch, and none begins.

    Raises:
        UsageError: the time to which it is to last is over.
    """
    file, now_ms = database(settings.db.value, tell=console.note), SystemClock().now_ms()
    if args.until is not None and args.until <= now_ms:
        raise UsageError(f"--until {instant(args.until)} is over.", tip="Name a time in the future.")
    reason = one_line(args.reason.encode("utf-8", "replace").decode())
    pause = Pause(now_ms, args.until, who(), reason)
    # Without the runner's lock: a runner that holds it is whom this is for.
    with file.write(now_ms=now_ms) as store, store.transaction() as transaction:
        transaction.operator.pause(pause)
    until = f"until {instant(args.until)} ({on_the_wall(args.until)} here)" if args.until else "until it is unpaused"
    values = {
        "paused": True,
        "until": timestamp(args.until) if args.until else None,
        "reason": reason,
        "paused_by": pause.by,
    }
    console.result(values, f"{file.name} is paused {until}. A run that works on it ends within a batch; none begins.")
    return 0


def run_unpause(settings: Settings, console: Console) -> int:
    """Lift the pause, where there is one."""
    file, now_ms = database(settings.db.value, tell=console.note), SystemClock().now_ms()
    with file.write(now_ms=now_ms) as store, store.transaction() as transaction:
        was = transaction.operator.unpause()
    told = f"{file.name} is no longer paused." if was else f"{file.name} was not paused."
    console.result({"paused": False, "was_paused": was}, told)
    return 0
